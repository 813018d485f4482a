//! A forked child must not share its parent's randomness. A test binary of its own: fork wants a
//! process with nothing else going on.
#![expect(unsafe_code, reason = "fork, waitpid and _exit have no safe form")]

#[path = "../benches/common/seeded.rs"]
mod seeded;

use lavawall_entropy::NotReady;

#[test]
fn a_forked_child_is_refused_until_it_is_seeded_itself() {
    let generator = seeded::generator();
    generator.fill(&mut [0; 32]).expect("the parent is seeded");

    // SAFETY: the child only calls the generator and _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let refused = matches!(generator.fill(&mut [0; 32]), Err(NotReady::Unseeded));
        // SAFETY: ends the child without running the test harness a second time.
        unsafe { libc::_exit(i32::from(!refused)) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child was given output, or died");
    generator.fill(&mut [0; 32]).expect("the parent goes on");
}
