// The tap of a filter that a depth start + k belongs to, and the channel: each thread by itself, where a step runs over several taps.
fn tap_at(start: u32, k: u32, channels: u32) -> vec2<u32> {
    return vec2((start + k) / channels, (start + k) % channels);
}
