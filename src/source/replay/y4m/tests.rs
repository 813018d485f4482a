use super::*;

/// The luma of every frame.
fn play(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut player = Player::new(bytes)?;
    let mut frames = Vec::new();
    let mut sample = Sample::new(std::time::Instant::now());
    while player.next(&mut sample)? {
        frames.push(sample.bytes().to_vec());
    }
    Ok(frames)
}

fn file(tags: &str, frames: &[(u8, usize)]) -> Vec<u8> {
    let mut bytes = format!("YUV4MPEG2 {tags}\n").into_bytes();
    for (luma, colour) in frames {
        bytes.extend(b"FRAME\n");
        bytes.extend(vec![*luma; 17 * 16]);
        bytes.extend(vec![0xcc; *colour]);
    }
    bytes
}

#[test]
fn luma_is_taken_and_colour_passed_over_whatever_its_size() {
    for (colour, bytes) in
        [("mono", 0), ("420jpeg", 2 * 9 * 8), ("422", 2 * 9 * 16), ("444", 2 * 17 * 16)]
    {
        let frames = play(&file(&format!("W17 H16 F10:1 C{colour}"), &[(7, bytes), (8, bytes)]));
        assert_eq!(frames.expect(colour), [vec![7; 272], vec![8; 272]], "{colour}");
    }
    let usual = play(&file("W17 H16 Ip A1:1 XYSCSS=420", &[(7, 144)])).expect("4:2:0 by default");
    assert_eq!(usual.len(), 1);
}

#[test]
fn the_header_gives_size_and_rate() {
    let header = Header::parse("YUV4MPEG2 W640 H360 F30000:1001 Ip C420jpeg").expect("valid");
    assert_eq!((header.width, header.height, header.colour), (640, 360, Colour::Half));
    let interval = header.rate.expect("valid").interval().expect("valid").expect("given");
    let interval = interval.as_secs_f64();
    assert!((interval - 0.033_366_67).abs() < 1e-6, "{interval}");
    let interval = |rate: &str| {
        let header = Header::parse(&format!("YUV4MPEG2 W16 H16 F{rate}")).expect("a header");
        header.rate.and_then(Rate::interval)
    };
    assert_eq!(interval("0:0"), Ok(None));
    for (rate, ms) in [("1:2", 2000), ("1:60", 60_000), ("2:3", 1500), ("240:1", 4), ("60:1", 16)] {
        assert_eq!(interval(rate).expect(rate).expect("given").as_millis(), ms, "{rate}");
    }
    for rate in
        ["1:61", "241:1", "1000:1", "24001:100", "1:0", "0:1", "4294967295:1", "1:4294967295"]
    {
        let (frames, seconds) = rate.split_once(':').expect("two numbers");
        let got = format!("(got {frames} in {seconds} s); fps sets another");
        let error = interval(rate).expect_err(rate);
        assert!(
            error.starts_with("its rate must be from one frame in 60 s to 240 a second"),
            "{error}"
        );
        assert!(error.ends_with(&got), "{error}");
    }
    for rate in ["25", "-1:1", "25:", "2.5:1", "4294967296:1", ""] {
        let error =
            format!("its rate must be A:B, two whole numbers (got {rate:?}); fps sets another");
        assert_eq!(interval(rate), Err(error));
    }
}

#[test]
fn a_header_that_cannot_be_says_which_tag_its_limit_and_the_value() {
    for (header, reason) in [
        ("RIFF", "it does not begin with YUV4MPEG2"),
        ("YUV4MPEG2 H16", "the header gives no width (W)"),
        ("YUV4MPEG2 W16", "the header gives no height (H)"),
        ("YUV4MPEG2 W15 H16", "width must be from 16 to 7680 (got \"15\")"),
        ("YUV4MPEG2 W16 H99999", "height must be from 16 to 4320 (got \"99999\")"),
        ("YUV4MPEG2 W-16 H16", "width must be from 16 to 7680 (got \"-16\")"),
        ("YUV4MPEG2 W16 H16 It", "interlaced frames (It) are not played"),
    ] {
        assert_eq!(Header::parse(header).expect_err(header), reason);
    }
    let deep = Header::parse("YUV4MPEG2 W16 H16 C420p10").expect_err("ten bits");
    assert!(deep.ends_with("(got \"420p10\")"), "{deep}");
}

#[test]
fn a_last_frame_that_is_truncated_is_left_out_and_its_number_is_known() {
    let whole = file("W17 H16 C444", &[(7, 544), (8, 544)]);
    let frame = 6 + 272 + 544;
    for cut in 1..frame {
        let mut player = Player::new(&whole[..whole.len() - cut]).expect("a header");
        let mut sample = Sample::new(std::time::Instant::now());
        assert_eq!(player.next(&mut sample), Ok(true));
        assert_eq!(player.next(&mut sample), Ok(false), "{cut} bytes cut");
        assert_eq!(player.truncated, Some(1), "{cut} bytes cut");
    }
    assert_eq!(play(&whole[..whole.len() - frame]).expect("one frame").len(), 1);
    let mut wrong = whole;
    let second = wrong.windows(5).rposition(|five| five == b"FRAME").expect("there");
    wrong[second] = b'G';
    assert_eq!(play(&wrong).expect_err("wrong"), "frame 1 does not begin with FRAME");
}

#[test]
fn a_header_line_without_end_is_not_read_for_ever() {
    let endless = vec![b'Y'; 1 << 20];
    let error = play(&endless).expect_err("endless");
    assert_eq!(error, "a header line does not end within 1024 bytes");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(rest: Vec<u8>, tags in "[WHFICAX0-9:a-z ]{0,40}") {
        let mut bytes = format!("YUV4MPEG2 {tags}\nFRAME\n").into_bytes();
        bytes.extend(&rest);
        let _ = play(&bytes);
        let _ = play(&rest);
    }
}
