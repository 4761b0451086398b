/*
 * Which processes are watched. Asked before anything is read of the event.
 */
#pragma once

#define CGROUP_LEVELS 16

static __always_inline int in_cgroup(struct task_struct *task)
{
	struct kernfs_node *node;

	switch (c_cgroup_hierarchy) {
	case HIERARCHY_CPUSET:
		node = cgroup_node(task, bpf_core_enum_value(enum cgroup_subsys_id, cpuset_cgrp_id));
		break;
	case HIERARCHY_CPU:
		node = cgroup_node(task, bpf_core_enum_value(enum cgroup_subsys_id, cpu_cgrp_id));
		break;
	case HIERARCHY_CPUACCT:
		node = cgroup_node(task, bpf_core_enum_value(enum cgroup_subsys_id, cpuacct_cgrp_id));
		break;
	case HIERARCHY_IO:
		node = cgroup_node(task, bpf_core_enum_value(enum cgroup_subsys_id, io_cgrp_id));
		break;
	case HIERARCHY_MEMORY:
		node = cgroup_node(task, bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id));
		break;
	default:
		node = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn);
	}

	for (int i = 0; i < CGROUP_LEVELS; i++) {
		if (!node)
			return 0;
		if (BPF_CORE_READ(node, id) == c_cgroup)
			return 1;
		node = kernfs_parent(node);
	}
	return 0;
}

/* The state of the current process in the scope of a tree; 0: not there. */
static __always_inline u32 *scope_state(u32 tgid)
{
	struct bpf_pidns_info inside = {};
	u32 *state = bpf_map_lookup_elem(&scope, &tgid);
	u32 copy;

	if (state || !c_pidns_ino)
		return state;
	if (bpf_get_ns_current_pid_tgid(c_pidns_dev, c_pidns_ino, &inside, sizeof(inside)))
		return 0;
	state = bpf_map_lookup_elem(&scope_ns, &inside.tgid);
	if (!state)
		return 0;
	copy = *state;
	bpf_map_update_elem(&scope, &tgid, &copy, BPF_ANY);
	bpf_map_delete_elem(&scope_ns, &inside.tgid);
	return bpf_map_lookup_elem(&scope, &tgid);
}

/* True when the current process is in scope. */
static __always_inline int in_scope(void)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	u32 *state;

	if (c_scope == SCOPE_ALL)
		return tgid != c_self;
	if (c_scope == SCOPE_CGROUP)
		return in_cgroup(current_task());
	state = scope_state(tgid);
	return state && *state == SCOPE_ACTIVE;
}

/* A child of a process in scope is in scope. */
static __always_inline void scope_inherit(struct task_struct *child)
{
	u32 tgid = BPF_CORE_READ(child, tgid), state = SCOPE_ACTIVE;
	struct counters *count;

	if (c_scope != SCOPE_TREE || bpf_map_lookup_elem(&scope, &tgid))
		return;
	if (bpf_map_update_elem(&scope, &tgid, &state, BPF_ANY)) {
		count = counters_of();
		if (count)
			count->scope_full++;
	}
}

/* An armed process is in scope from this exec on. */
static __always_inline void scope_arm(void)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;
	u32 *state;

	if (c_scope != SCOPE_TREE)
		return;
	state = scope_state(tgid);
	if (state && *state == SCOPE_ARMED)
		*state = SCOPE_ACTIVE;
}

/* The last thread of a process takes it out of scope. */
static __always_inline void scope_leave(struct task_struct *task)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;

	if (c_scope == SCOPE_TREE && BPF_CORE_READ(task, signal, live.counter) == 0)
		bpf_map_delete_elem(&scope, &tgid);
}
