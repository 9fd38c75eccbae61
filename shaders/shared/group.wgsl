// A dimension takes 65,535 workgroups at most, so dispatches fold into two.
fn group_index(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.y * groups.x + group.x;
}
