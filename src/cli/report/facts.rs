//! The facts about captured noise, as names and values.

use crate::calibrate::Sidecar;
use crate::calibrate::setup::Setup;
use crate::report::Fact;

/// The origin of noise.
pub(crate) fn of_sidecar(sidecar: &Sidecar) -> Vec<Fact> {
    let mut facts = of_setup(&sidecar.setup);
    facts.push(Fact::new("captured", &sidecar.at));
    facts.push(Fact::new("by", format!("lavawall {}", sidecar.lavawall)));
    if let Some(restarts) = &sidecar.restarts {
        let text = format!("{} rows of {}: {}", restarts.rows, restarts.columns, restarts.meaning);
        facts.push(Fact::new("restarts", text));
    }
    if sidecar.refusals > 0 {
        facts.push(Fact::new("starts refused by its own test", sidecar.refusals));
    }
    let alarms = match &sidecar.last_alarm {
        Some(last) => format!("{}, the last finding: {last}", sidecar.alarms),
        None => sidecar.alarms.to_string(),
    };
    facts.push(Fact::new("alarms during the capture", alarms));
    if let Some(why) = &sidecar.credited_nothing {
        facts.push(Fact::new("credited nothing", why));
    }
    facts
}

/// A source and its settings.
pub(crate) fn of_setup(setup: &Setup) -> Vec<Fact> {
    let resolution = setup.resolution.map(|[width, height]| format!("{width} × {height}"));
    let settings = Some(setup.settings.clone()).filter(|settings| !settings.is_empty());
    [
        ("device", setup.device.clone()),
        ("format", Some(setup.format.clone())),
        ("resolution", resolution),
        ("settings", settings),
        ("grid", setup.grid.clone()),
        ("symbol", Some(setup.symbol.clone())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some(Fact::new(name, value?)))
    .collect()
}
