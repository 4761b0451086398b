/*
 * Birth, image and end of processes: clone, fork, vfork, clone3, execve, execveat, exit.
 */
#pragma once

#define AT_EMPTY_PATH 0x1000
/* task_struct.flags, include/linux/sched.h. */
#define PF_IO_WORKER 0x00000010
#define PF_KTHREAD 0x00200000

/* A thread that the kernel made for itself: none of them is a birth or an end of anything that programs do. */
static __always_inline int is_kernel_thread(struct task_struct *task)
{
	return (BPF_CORE_READ(task, flags) & (PF_KTHREAD | PF_IO_WORKER)) != 0;
}

/* CLONE_* of include/uapi/linux/sched.h to the wire's. */
static __always_inline u32 wire_clone_flags(u64 flags)
{
	u32 wire = 0;
#define MAP(native, name) wire |= flags & (native) ? PPM_##name : 0
	MAP(0x00000100, CLONE_VM);
	MAP(0x00000200, CLONE_FS);
	MAP(0x00000400, CLONE_FILES);
	MAP(0x00000800, CLONE_SIGHAND);
	MAP(0x00002000, CLONE_PTRACE);
	MAP(0x00004000, CLONE_VFORK);
	MAP(0x00008000, CLONE_PARENT);
	MAP(0x00010000, CLONE_THREAD);
	MAP(0x00020000, CLONE_NEWNS);
	MAP(0x00040000, CLONE_SYSVSEM);
	MAP(0x00080000, CLONE_SETTLS);
	MAP(0x00100000, CLONE_PARENT_SETTID);
	MAP(0x00200000, CLONE_CHILD_CLEARTID);
	MAP(0x00800000, CLONE_UNTRACED);
	MAP(0x01000000, CLONE_CHILD_SETTID);
	MAP(0x02000000, CLONE_NEWCGROUP);
	MAP(0x04000000, CLONE_NEWUTS);
	MAP(0x08000000, CLONE_NEWIPC);
	MAP(0x10000000, CLONE_NEWUSER);
	MAP(0x20000000, CLONE_NEWPID);
	MAP(0x40000000, CLONE_NEWNET);
	MAP(0x80000000, CLONE_IO);
#undef MAP
	return wire;
}

/* What parent and child really share, as clone flags: the caller's flags can no longer be read when the child is born. */
static __always_inline u32 shared_flags(struct task_struct *parent, struct task_struct *child)
{
	struct nsproxy *old = BPF_CORE_READ(parent, nsproxy), *new = BPF_CORE_READ(child, nsproxy);
	u32 wire = 0;

	if (BPF_CORE_READ(parent, tgid) == BPF_CORE_READ(child, tgid))
		wire |= PPM_CLONE_THREAD | PPM_CLONE_SIGHAND;
	if (BPF_CORE_READ(parent, mm) == BPF_CORE_READ(child, mm))
		wire |= PPM_CLONE_VM;
	if (BPF_CORE_READ(parent, files) == BPF_CORE_READ(child, files))
		wire |= PPM_CLONE_FILES;
	if (BPF_CORE_READ(parent, fs) == BPF_CORE_READ(child, fs))
		wire |= PPM_CLONE_FS;
	if (old != new) {
		if (BPF_CORE_READ(old, mnt_ns) != BPF_CORE_READ(new, mnt_ns))
			wire |= PPM_CLONE_NEWNS;
		if (BPF_CORE_READ(old, uts_ns) != BPF_CORE_READ(new, uts_ns))
			wire |= PPM_CLONE_NEWUTS;
		if (BPF_CORE_READ(old, ipc_ns) != BPF_CORE_READ(new, ipc_ns))
			wire |= PPM_CLONE_NEWIPC;
		if (BPF_CORE_READ(old, net_ns) != BPF_CORE_READ(new, net_ns))
			wire |= PPM_CLONE_NEWNET;
		if (BPF_CORE_READ(old, cgroup_ns) != BPF_CORE_READ(new, cgroup_ns))
			wire |= PPM_CLONE_NEWCGROUP;
	}
	if (BPF_CORE_READ(parent, cred, user_ns) != BPF_CORE_READ(child, cred, user_ns))
		wire |= PPM_CLONE_NEWUSER;
	if (pidns_of(parent) != pidns_of(child))
		wire |= PPM_CLONE_NEWPID;
	if (BPF_CORE_READ(child, thread_pid, level))
		wire |= PPM_CLONE_CHILD_IN_PIDNS;
	return wire;
}

/* Parameters exe … cgroups, which the clone and execve events have in common (1 … 14). */
static __always_inline void put_process(struct scratch *s, struct task_struct *task)
{
	put_int(s, 3, BPF_CORE_READ(task, pid));
	put_int(s, 4, BPF_CORE_READ(task, tgid));
	put_int(s, 5, BPF_CORE_READ(task, real_parent, pid));
	text_cwd(s, BPF_CORE_READ(task, fs));
	put_path(s, 6);
	put_u64(s, 7, BPF_CORE_READ(task, signal, rlim[RLIMIT_NOFILE].rlim_cur));
	put_memory(s, 8, task);
	put_comm(s, 13, task);
	put_cgroups(s, 14, task);
}

/* A whole clone event. All four system calls have the same parameters. */
static __always_inline void clone_event(struct scratch *s, u32 type, struct task_struct *task, u32 flags, u64 pidns_start)
{
	u32 level = BPF_CORE_READ(task, thread_pid, level);

	begin_for(s, type, NP_SYSCALL_CLONE_20_X, EXTRA_FLAGS, BPF_CORE_READ(task, pid));
	put_res(s);
	put_argv(s, 1, BPF_CORE_READ(task, mm));
	put_process(s, task);
	put_u32(s, 15, flags);
	put_u32(s, 16, BPF_CORE_READ(task, cred, euid.val));
	put_u32(s, 17, BPF_CORE_READ(task, cred, egid.val));
	put_int(s, 18, nr_at(BPF_CORE_READ(task, thread_pid), level));
	put_int(s, 19, nr_at(BPF_CORE_READ(task, group_leader, thread_pid), level));
	put_u64(s, 20, pidns_start);
	put_flags(s, NP_SYSCALL_CLONE_20_X);
	finish(s);
}

/* sched_process_fork: the child's own event (res = 0), before it can run. */
static __always_inline void fork_child(struct scratch *s, struct task_struct *parent, struct task_struct *child)
{
	s->ret = 0;
	clone_event(s, EV_SYSCALL_CLONE_20_X, child, shared_flags(parent, child),
		    BPF_CORE_READ(pidns_of(child), child_reaper, start_boottime));
}

/* sys_exit of clone, fork, vfork, clone3 in the caller. The child's return (0) has been told by sched_process_fork. */
static __always_inline void clone_caller(struct scratch *s)
{
	struct task_struct *task = current_task();
	u64 flags = 0;
	u32 wire;

	if (s->ret == 0)
		return;
	if (s->type == EV_SYSCALL_CLONE_20_X)
		flags = s->arg[0];
	else if (s->type == EV_SYSCALL_CLONE3_X)
		bpf_probe_read_user(&flags, sizeof(flags), (void *)s->arg[0]);
	else if (s->type == EV_SYSCALL_VFORK_20_X)
		flags = 0x4100; /* CLONE_VFORK | CLONE_VM */
	wire = wire_clone_flags(flags);
	if (BPF_CORE_READ(task, nsproxy, pid_ns_for_children, level))
		wire |= PPM_CLONE_CHILD_IN_PIDNS;
	clone_event(s, s->type, task, wire, 0);
}

/* sched_process_exec: the new image is in place. */
static __always_inline void exec_done(struct scratch *s, struct task_struct *task, struct linux_binprm *bprm)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct file_facts *exe = &s->file;

	read_file(exe, BPF_CORE_READ(bprm, file));
	s->ret = 0;
	begin(s, EV_SYSCALL_EXECVE_19_X, NP_SYSCALL_EXECVE_19_X, EXTRA_FILE);
	put_res(s);
	put_argv(s, 1, mm);
	put_process(s, task);
	put_env(s, 15, mm);
	put_image(s, 16, task, exe);
	program_started(s);
	put_kernel_str(s, 30, BPF_CORE_READ(bprm, filename));
	put_flags(s, NP_SYSCALL_EXECVE_19_X);
	put_empty(s, NP_SYSCALL_EXECVE_19_X + 1); /* it is trusted_exepath */
	put_dev_ino(s, NP_SYSCALL_EXECVE_19_X + 2, exe);
	finish(s);
}

#define FAILED_ARGS 32

/* Parameters exe and args from the caller's pointer array. */
static __always_inline void put_pointer_argv(struct scratch *s, u64 argv, u32 compat)
{
	u32 start = 0;

	set_len(s, 1, 0);
	set_len(s, 2, 0);
	for (u32 i = 0; i < FAILED_ARGS; i++) {
		u64 pointer = 0;
		u32 at = AT(s) & REC_MASK;
		long n;

		if (compat)
			bpf_probe_read_user(&pointer, 4, (void *)(argv + 4 * i));
		else
			bpf_probe_read_user(&pointer, 8, (void *)(argv + 8 * i));
		if (!pointer)
			break;
		if (i > 0 && at > *(volatile u32 *)&s->tmp[0] + 3800) {
			FLAGS(s) |= WH_TRUNCATED;
			break;
		}
		n = read_user_str(s->rec + at, i == 0 ? PATH_SIZE : 256, pointer);
		if (n < 0) {
			FLAGS(s) |= WH_NOT_PRESENT;
			break;
		}
		if (i > 0 && n == 256)
			FLAGS(s) |= WH_TRUNCATED;
		AT(s) = at + (u32)n;
		if (i == 0) {
			set_len(s, 1, n);
			*(volatile u32 *)&s->tmp[0] = at + (u32)n;
		}
		start = 1;
	}
	if (start)
		set_len(s, 2, (AT(s) & REC_MASK) - *(volatile u32 *)&s->tmp[0]);
}

/* sys_exit of a failed execve or execveat: the process is still what it was. */
static __always_inline void exec_failed(struct scratch *s)
{
	struct task_struct *task = current_task();
	struct file_facts *exe = &s->file;
	u32 at_dir = s->type == EV_SYSCALL_EXECVEAT_X;

	if (s->ret >= 0)
		return;
	read_file(exe, BPF_CORE_READ(task, mm, exe_file));
	FLAGS(s) |= WH_UNTRUSTED;
	begin(s, EV_SYSCALL_EXECVE_19_X, NP_SYSCALL_EXECVE_19_X, EXTRA_FLAGS);
	put_res(s);
	put_pointer_argv(s, at_dir ? s->arg[2] : s->arg[1], s->compat);
	put_process(s, task);
	put_empty(s, 15);
	put_image(s, 16, task, exe);
	put_user_str(s, 30, at_dir ? s->arg[1] : s->arg[0]);
	FLAGS(s) &= ~(WH_RESOLVED | WH_DELETED | WH_MEMFD);
	put_flags(s, NP_SYSCALL_EXECVE_19_X);
	finish(s);
}

static __always_inline int is_subreaper(struct task_struct *task)
{
	struct signal_struct *signal = BPF_CORE_READ(task, signal);

	return BPF_CORE_READ_BITFIELD_PROBED(signal, is_child_subreaper);
}

/*
 * Who adopts the children of the dying thread: another thread of the process, the nearest subreaper, or the
 * first process of the pid namespace; 0 when there are none to adopt.
 */
static __always_inline u32 reaper_of(struct task_struct *task)
{
	struct list_head *children = (void *)task + bpf_core_field_offset(struct task_struct, children);
	struct task_struct *up = task;

	if (BPF_CORE_READ(children, next) == children)
		return 0;
	if (BPF_CORE_READ(task, group_leader) != task)
		return BPF_CORE_READ(task, group_leader, pid);
	for (int i = 0; i < 16; i++) {
		up = BPF_CORE_READ(up, real_parent);
		if (!up || BPF_CORE_READ(up, pid) == 0)
			break;
		if (is_subreaper(up))
			return BPF_CORE_READ(up, pid);
	}
	return BPF_CORE_READ(pidns_of(task), child_reaper, pid);
}

/* sched_process_exit: a thread ends. */
static __always_inline void thread_exit(struct scratch *s, struct task_struct *task)
{
	u32 status = BPF_CORE_READ(task, exit_code);

	begin(s, EV_PROCEXIT_1_E, NP_PROCEXIT_1_E, EXTRA_NONE);
	put_int(s, 0, status);
	put_int(s, 1, (status >> 8) & 0xff);
	put_u8(s, 2, status & 0x7f);
	put_u8(s, 3, (status & 0x80) != 0);
	put_int(s, 4, reaper_of(task));
	finish(s);
}
