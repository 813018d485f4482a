//! `lavawall report`: a page on the noise sources, for an auditor.

mod configuration;
mod facts;
mod machine;
mod noise;
mod pdf;
mod service;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::cli::connection_arguments::ConnectionArguments;
use crate::cli::error::CommandError;
use crate::cli::noise_capture;
use crate::cli::thread_arguments::ThreadArguments;
use crate::config::Config;
use crate::durable;
use crate::plan;
use crate::plan::PlannedSource;
use crate::report::{Fact, Report, ReportedSource};
use lavawall_assess::WANTED_SAMPLES;

use configuration::InForce;
use noise::NoiseFiles;
use noise::Noises;
use pdf::Converter;

/// Write a report on the noise sources, for an auditor
///
/// One self-contained HTML file: raw noise as histograms, bit planes and correlation; the estimates of
/// SP 800-90B; restart tests; the limits of the health tests and how they are computed; alarms since
/// the service started; configuration and versions; and the conformance of lavawall to SP 800-90B,
/// SP 800-90C and AIS 20/31.
///
/// Noise is captured now from every source, unless files of `lavawall capture` are given with --noise.
/// A device that the running service holds, such as a camera, cannot be captured at the same time:
/// stop the service, capture, start it, and report from the files. For example:
///
///   lavawall report -o report.html
///
///   lavawall capture --source camera -o raw.bin
///   lavawall capture --source camera --restart 1000x1000 -o restarts.bin
///   lavawall report --noise raw.bin --restart restarts.bin -o report.html --pdf
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct ReportArguments {
    /// The file for the report
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Also make a PDF beside it, with the first of these that is installed: weasyprint, chromium,
    /// chromium-browser, google-chrome
    #[arg(long)]
    pdf: bool,
    /// Raw noise from `lavawall capture`, with its FILE.json beside it (repeatable); nothing is
    /// captured then
    #[arg(long, value_name = "FILE")]
    noise: Vec<PathBuf>,
    /// A matrix of restarts from `lavawall capture --restart`, of a source whose noise is in the
    /// report too (repeatable)
    #[arg(long, value_name = "FILE")]
    restart: Vec<PathBuf>,
    /// How many symbols to capture from each source
    #[arg(long, value_name = "N", default_value_t = WANTED_SAMPLES, value_parser = noise_capture::symbols_to_capture)]
    samples: usize,
    /// The most time for the capture of one source, such as 90s or 10min: what there is by then is
    /// reported
    #[arg(long, value_name = "TIME", default_value = "10min", value_parser = capture_time)]
    capture_time: Duration,
    /// Capture nothing
    #[arg(long)]
    no_capture: bool,
    /// Do not ask a running service for its state and its alarms
    #[arg(long)]
    no_service: bool,
    #[command(flatten)]
    threads: ThreadArguments,
    /// Replace FILE, and the PDF
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    connection: ConnectionArguments,
}

pub(crate) fn run(arguments: &ReportArguments) -> Result<(), CommandError> {
    arguments.write()
}

impl ReportArguments {
    fn write(&self) -> Result<(), CommandError> {
        let config = self.connection.config()?;
        // Errors of the command line are found before the long work.
        let pdf = self.output.with_extension("pdf");
        if self.pdf && pdf == self.output {
            return Err(CommandError::usage(
                "--output: is the page, and the PDF goes beside it: name it .html",
            ));
        }
        let converter = if self.pdf { Some(Converter::find()?) } else { None };
        self.refuse_to_replace(&self.output)?;
        if converter.is_some() {
            self.refuse_to_replace(&pdf)?;
        }
        for path in std::iter::once(&self.output).chain(converter.is_some().then_some(&pdf)) {
            durable::check_can_replace(path)
                .map_err(|error| CommandError::unwritable(path, &error))?;
        }
        let files = NoiseFiles::read(&self.noise, &self.restart)?;
        let report = self.report(config, files);
        durable::replace(&self.output, report.html().as_bytes())
            .map_err(|error| CommandError::unwritable(&self.output, &error))?;
        if let Some(converter) = converter {
            converter.convert(&self.output, &pdf)?;
        }
        Ok(())
    }

    fn refuse_to_replace(&self, path: &Path) -> Result<(), CommandError> {
        if self.force || !path.exists() {
            return Ok(());
        }
        Err(CommandError::exists(path))
    }

    fn report(&self, file: Config, files: NoiseFiles) -> Report {
        let threads = self.threads.count();
        let (samples, capture_time) = (self.samples, self.capture_time);
        let mut noises = Noises { files, threads, samples, capture_time };
        let InForce { config, state_dir, origin } =
            InForce::of(&self.connection, file, !self.no_service);
        let plans = plan::of(&config, state_dir.as_deref());
        let configuration = configuration::sections(&config, state_dir.as_deref(), &plans);
        let mut sources: Vec<_> =
            plans.into_iter().map(|plan| self.source(&config, plan, &mut noises)).collect();
        sources.extend(noises.others());
        let service = if self.no_service {
            Err("it was not asked (--no-service)".to_owned())
        } else {
            service::ask(&self.connection)
        };
        let (made_at, versions) = (crate::calibrate::capture::now(), machine::versions());
        Report { made_at, versions, sources, service, configuration, configuration_origin: origin }
    }

    /// The report's part on a source of the configuration.
    fn source(
        &self,
        config: &Config,
        mut plan: PlannedSource,
        noises: &mut Noises,
    ) -> ReportedSource {
        let found = match noises.of_source(&plan.entry.id) {
            Some(found) => found,
            None if self.no_capture || !self.noise.is_empty() => {
                Err("no noise was given for it".to_owned())
            }
            None => noises.capture(config, &plan.entry),
        };
        let (noise, setup) = match found {
            Ok((noise, setup)) => (Ok(noise), setup),
            Err(reason) => (Err(reason), None),
        };
        let restart = noises.restarts(Some(&plan.entry.id), &noise);
        let credit = plan.credit(setup.as_ref());
        let required = if plan.required { "yes" } else { "no" };
        ReportedSource {
            id: plan.entry.id,
            source_type: plan.entry.spec.type_name().to_owned(),
            kind: plan.entry.spec.kind().to_string(),
            credit_basis: credit.basis,
            credited: credit.per_symbol,
            facts: vec![
                Fact::new("calibration", credit.calibration),
                Fact::new("required", required),
            ],
            limits: credit.limits,
            noise,
            restart,
        }
    }
}

/// Parses the most time for a capture.
fn capture_time(text: &str) -> Result<Duration, String> {
    let range = Duration::from_secs(1)..=Duration::from_hours(24);
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    range.contains(&time).then_some(time).ok_or_else(|| format!("must be 1s to 24h (got {text})"))
}
