// The tap of a filter that a depth start + k belongs to, and the channel: where a step never runs over a tap's channels, `start` alone
// says the tap, which is then the same for all threads.
fn tap_at(start: u32, k: u32, channels: u32) -> vec2<u32> {
    return vec2(start / channels, start % channels + k);
}
