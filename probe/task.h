/*
 * Facts about a process, in the encodings of the execve and clone events.
 */
#pragma once

enum { PIDTYPE_PID, PIDTYPE_TGID, PIDTYPE_PGID, PIDTYPE_SID };
#define RLIMIT_NOFILE 7
#define PAGE_KB_SHIFT 2 /* pages of 4 KiB to KiB */

/* The number of `pid` in the namespace at `level`. */
static __always_inline u32 nr_at(struct pid *pid, u32 level)
{
	int nr = 0;

	bpf_probe_read_kernel(&nr, sizeof(nr), (void *)pid + bpf_core_field_offset(struct pid, numbers) + (level & 31) * sizeof(struct upid));
	return nr;
}

static __always_inline struct pid_namespace *pidns_of(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	struct pid_namespace *ns = 0;
	u32 level = BPF_CORE_READ(pid, level);

	bpf_probe_read_kernel(&ns, sizeof(ns), (void *)pid + bpf_core_field_offset(struct pid, numbers) + (level & 31) * sizeof(struct upid) + 8);
	return ns;
}

static __always_inline u32 tty_of(struct task_struct *task)
{
	struct tty_struct *tty = BPF_CORE_READ(task, signal, tty);

	if (!tty)
		return 0;
	u32 major = BPF_CORE_READ(tty, driver, major), minor = BPF_CORE_READ(tty, driver, minor_start) + BPF_CORE_READ(tty, index);
	return encode_dev((major << 20) | minor);
}

static __always_inline u64 rss_of(struct mm_struct *mm, u32 counter)
{
	struct mm_struct___old *old = (void *)mm;

	if (bpf_core_field_exists(old->rss_stat.count)) {
		s64 value = 0;
		bpf_core_read(&value, sizeof(value), &old->rss_stat.count[0]);
		bpf_probe_read_kernel(&value, sizeof(value), (void *)mm + bpf_core_field_offset(struct mm_struct___old, rss_stat.count) + 8 * counter);
		return value < 0 ? 0 : value;
	}
	s64 value = 0;
	bpf_probe_read_kernel(&value, sizeof(value),
			      (void *)mm + bpf_core_field_offset(struct mm_struct, rss_stat) +
				      bpf_core_field_size(struct mm_struct, rss_stat) / 4 * counter + bpf_core_field_offset(struct percpu_counter, count));
	return value < 0 ? 0 : value;
}

/* pgft_maj, pgft_min, vm_size, vm_rss, vm_swap from parameter `i`. */
static __always_inline void put_memory(struct scratch *s, u32 i, struct task_struct *task)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);

	put_u64(s, i, BPF_CORE_READ(task, maj_flt));
	put_u64(s, i + 1, BPF_CORE_READ(task, min_flt));
	put_u32(s, i + 2, BPF_CORE_READ(mm, total_vm) << PAGE_KB_SHIFT);
	put_u32(s, i + 3, (rss_of(mm, 0) + rss_of(mm, 1) + rss_of(mm, 3)) << PAGE_KB_SHIFT);
	put_u32(s, i + 4, rss_of(mm, 2) << PAGE_KB_SHIFT);
}

static __always_inline void put_comm(struct scratch *s, u32 i, struct task_struct *task)
{
	put_kernel_str(s, i, (void *)task + bpf_core_field_offset(struct task_struct, comm));
}

/*
 * exe (parameter i) and args (i + 1) from the argument area of the current process. That is what /proc/pid/cmdline
 * shows; a process can overwrite it, but right after exec nobody has had the time.
 */
static __always_inline void put_argv(struct scratch *s, u32 i, struct mm_struct *mm)
{
	u64 from = BPF_CORE_READ(mm, arg_start), n = BPF_CORE_READ(mm, arg_end) - from;

	put_user_str(s, i, from);
	u64 exe = *(volatile u16 *)(s->rec + LENS + 2 * i) & (2 * PATH_SIZE - 1);
	u64 room = exe < PATH_MASK ? PATH_MASK - exe : 0; /* both together take what a path may */
	n = n > exe ? n - exe : 0;
	put_user_bytes(s, i + 1, from + exe, n > room ? room : n, PATH_MASK);
	if (n > room) {
		FLAGS(s) |= WH_TRUNCATED;
		if (room)
			s->rec[(AT(s) - 1) & REC_MASK] = 0;
	}
}

static __always_inline void put_env(struct scratch *s, u32 i, struct mm_struct *mm)
{
	u64 from = BPF_CORE_READ(mm, env_start), n = BPF_CORE_READ(mm, env_end) - from;

	if (n > PATH_MASK)
		FLAGS(s) |= WH_TRUNCATED;
	put_user_bytes(s, i, from, n, PATH_MASK);
	if (n > PATH_MASK)
		s->rec[(AT(s) - 1) & REC_MASK] = 0;
}

static __always_inline struct kernfs_node *kernfs_parent(struct kernfs_node *node)
{
	struct kernfs_node___new *renamed = (void *)node;

	if (bpf_core_field_exists(renamed->__parent))
		return BPF_CORE_READ(renamed, __parent);
	return BPF_CORE_READ(node, parent);
}

#define CGROUP_DEPTH 16

/* The path of a control group from the root of its hierarchy. */
static __always_inline void text_cgroup(struct scratch *s, struct kernfs_node *node)
{
	PATH_AT(s) = PATH_MASK;
	s->path[PATH_MASK] = 0;
	for (int i = 0; i < CGROUP_DEPTH; i++) {
		struct kernfs_node *parent = kernfs_parent(node);
		if (!parent)
			break;
		/* Kernfs names carry no length: read into the slack behind the text, then move. */
		s64 n = bpf_probe_read_kernel_str(s->path + PATH_SIZE, 256, BPF_CORE_READ(node, name));
		u64 length = n > 0 ? n - 1 : 0;
		u32 at = PATH_AT(s) & PATH_MASK;
		BOUND(length, 255);
		if (length + 1 > at)
			break;
		at -= length;
		/* Once more: the verifier of 6.12 forgets the bound in the comparison. */
		BOUND(length, 255);
		bpf_probe_read_kernel(s->path + (at & PATH_MASK), length, s->path + PATH_SIZE);
		at -= 1;
		s->path[at & PATH_MASK] = '/';
		PATH_AT(s) = at & PATH_MASK;
		node = parent;
	}
	if (PATH_AT(s) == PATH_MASK) {
		s->path[PATH_MASK - 1] = '/';
		PATH_AT(s) = PATH_MASK - 1;
	}
}

static __always_inline struct kernfs_node *cgroup_node(struct task_struct *task, u32 subsys)
{
	struct css_set *set = BPF_CORE_READ(task, cgroups);
	struct cgroup_subsys_state *css = 0;

	bpf_probe_read_kernel(&css, sizeof(css), (void *)set + bpf_core_field_offset(struct css_set, subsys) + 8 * (subsys & 15));
	return css ? BPF_CORE_READ(css, cgroup, kn) : 0;
}

/* No further entry behind so many bytes: the event must fit into the record, however deep the groups are. */
#define CGROUPS_ENOUGH 2048

/* `name=path` NUL; `node` 0: the hierarchy is not there. */
#define CGROUP_ENTRY(s, name, node)                                                  \
	do {                                                                         \
		struct kernfs_node *this_node = (node);                              \
		if (this_node && (AT(s) & REC_MASK) - from < CGROUPS_ENOUGH) {       \
			if (this_node != last)                                       \
				text_cgroup(s, this_node);                           \
			last = this_node;                                            \
			__builtin_memcpy(s->rec + (AT(s) & REC_MASK), name "=", sizeof(name)); \
			AT(s) = (AT(s) & REC_MASK) + sizeof(name);                   \
			append_path(s);                                              \
		}                                                                    \
	} while (0)

#define CGROUP_SUBSYS(s, task, name, id)                                             \
	do {                                                                         \
		if (bpf_core_enum_value_exists(enum cgroup_subsys_id, id))           \
			CGROUP_ENTRY(s, name, cgroup_node(task, bpf_core_enum_value(enum cgroup_subsys_id, id))); \
	} while (0)

/* The control groups in the form `cpuset=/a\0cpu=/a\0…`, then the unified hierarchy where it tells more. */
static __always_inline void put_cgroups(struct scratch *s, u32 i, struct task_struct *task)
{
	struct kernfs_node *last = 0;
	u32 from = AT(s) & REC_MASK;

	CGROUP_SUBSYS(s, task, "cpuset", cpuset_cgrp_id);
	CGROUP_SUBSYS(s, task, "cpu", cpu_cgrp_id);
	CGROUP_SUBSYS(s, task, "cpuacct", cpuacct_cgrp_id);
	CGROUP_SUBSYS(s, task, "io", io_cgrp_id);
	CGROUP_SUBSYS(s, task, "memory", memory_cgrp_id);
	struct kernfs_node *unified = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn);
	if (unified != last && kernfs_parent(unified))
		CGROUP_ENTRY(s, "unified", unified);
	set_len(s, i, (AT(s) & REC_MASK) - from);
}

/*
 * Whether the process could write to its own executable file, as far as mode, owner and capabilities say
 * (read-only mounts, ACLs and immutable files are not looked at).
 */
static __always_inline int is_exe_writable(struct inode *inode, struct cred *cred)
{
	u32 mode = BPF_CORE_READ(inode, i_mode);
	u64 caps = 0;

	bpf_core_read(&caps, sizeof(caps), &cred->cap_effective);
	if (mode & 0002)
		return 1;
	if ((mode & 0200) && BPF_CORE_READ(inode, i_uid.val) == BPF_CORE_READ(cred, fsuid.val))
		return 1;
	if ((mode & 0020) && BPF_CORE_READ(inode, i_gid.val) == BPF_CORE_READ(cred, fsgid.val))
		return 1;
	return (caps & ((1 << 1) | (1 << 3))) != 0; /* CAP_DAC_OVERRIDE, CAP_FOWNER */
}

static __always_inline u32 exe_flags(struct file_facts *exe, struct cred *cred)
{
	u32 flags = 0;

	if (is_exe_writable(exe->inode, cred))
		flags |= PPM_EXE_WRITABLE;
	if (exe->layer == LAYER_UPPER)
		flags |= PPM_EXE_UPPER_LAYER;
	if (exe->layer == LAYER_LOWER)
		flags |= PPM_EXE_LOWER_LAYER;
	if (is_memfd(exe))
		flags |= PPM_EXE_FROM_MEMFD;
	return flags;
}

#define NSEC 1000000000ULL
#define I_CTIME_NSEC 0x7fffffff /* bit 31 says that somebody has asked for the time (6.13) */

/* Change time (0) or modification time (1) of an inode in nanoseconds since the epoch. */
static __always_inline u64 inode_time(struct inode *inode, int modification)
{
	struct inode___new *fresh = (void *)inode;
	struct inode___mid *mid = (void *)inode;
	struct inode___old *old = (void *)inode;

	if (bpf_core_field_exists(fresh->i_ctime_sec))
		return modification ? BPF_CORE_READ(fresh, i_mtime_sec) * NSEC + BPF_CORE_READ(fresh, i_mtime_nsec)
				    : BPF_CORE_READ(fresh, i_ctime_sec) * NSEC + (BPF_CORE_READ(fresh, i_ctime_nsec) & I_CTIME_NSEC);
	if (modification ? bpf_core_field_exists(mid->__i_mtime) : bpf_core_field_exists(mid->__i_ctime))
		return modification ? BPF_CORE_READ(mid, __i_mtime.tv_sec) * NSEC + BPF_CORE_READ(mid, __i_mtime.tv_nsec)
				    : BPF_CORE_READ(mid, __i_ctime.tv_sec) * NSEC + BPF_CORE_READ(mid, __i_ctime.tv_nsec);
	return modification ? BPF_CORE_READ(old, i_mtime.tv_sec) * NSEC + BPF_CORE_READ(old, i_mtime.tv_nsec)
			    : BPF_CORE_READ(old, i_ctime.tv_sec) * NSEC + BPF_CORE_READ(old, i_ctime.tv_nsec);
}

static __always_inline u32 loginuid_of(struct task_struct *task)
{
	if (bpf_core_field_exists(task->loginuid))
		return BPF_CORE_READ(task, loginuid.val);
	return 0xffffffff;
}

/* Parameters tty … gid of the execve events, from parameter `i` (18 in the table), for the image `exe`. */
static __always_inline void put_image(struct scratch *s, u32 i, struct task_struct *task, struct file_facts *exe)
{
	struct pid *group = BPF_CORE_READ(task, signal, pids[PIDTYPE_PGID]);
	struct cred *cred = BPF_CORE_READ(task, cred);
	u64 caps = 0;

	put_u32(s, i, tty_of(task));
	put_int(s, i + 1, nr_at(group, BPF_CORE_READ(task, thread_pid, level)));
	put_u32(s, i + 2, loginuid_of(task));
	put_u32(s, i + 3, exe_flags(exe, cred));
	bpf_core_read(&caps, sizeof(caps), &cred->cap_inheritable);
	put_u64(s, i + 4, caps);
	bpf_core_read(&caps, sizeof(caps), &cred->cap_permitted);
	put_u64(s, i + 5, caps);
	bpf_core_read(&caps, sizeof(caps), &cred->cap_effective);
	put_u64(s, i + 6, caps);
	put_u64(s, i + 7, exe->ino);
	put_u64(s, i + 8, inode_time(exe->inode, 0));
	put_u64(s, i + 9, inode_time(exe->inode, 1));
	put_u32(s, i + 10, BPF_CORE_READ(cred, euid.val));
	text_file(s, exe);
	put_path(s, i + 11);
	put_int(s, i + 12, nr_at(group, 0));
	put_u32(s, i + 13, BPF_CORE_READ(cred, egid.val));
}
