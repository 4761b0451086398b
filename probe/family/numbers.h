/*
 * System calls whose parameters are all numbers: descriptors, identities, signals, memory, waiting; and the
 * generic event of calls that have none of their own.
 */
#pragma once

/* O_CLOEXEC, O_NONBLOCK and O_DIRECT of calls that take no access mode. */
static __always_inline u32 wire_fd_flags(u64 flags)
{
	return (flags & 04000 ? PPM_O_NONBLOCK : 0) | (flags & 02000000 ? PPM_O_CLOEXEC : 0) | (flags & 040000 ? PPM_O_DIRECT : 0);
}

/* PROT_*: the two of growing mappings have other bits. */
static __always_inline u32 wire_prot(u64 prot)
{
	return (prot & 0xf) | (prot & 0x01000000 ? 16 : 0) | (prot & 0x02000000 ? 32 : 0);
}

/* vm_size, vm_rss, vm_swap from parameter 1. */
static __always_inline void put_vm(struct scratch *s)
{
	struct mm_struct *mm = BPF_CORE_READ(current_task(), mm);

	put_u32(s, 1, BPF_CORE_READ(mm, total_vm) << PAGE_KB_SHIFT);
	put_u32(s, 2, (rss_of(mm, 0) + rss_of(mm, 1) + rss_of(mm, 3)) << PAGE_KB_SHIFT);
	put_u32(s, 3, rss_of(mm, 2) << PAGE_KB_SHIFT);
}

/* A struct rlimit64 of the caller, as two parameters; zeros where there is none. */
static __always_inline void put_limit(struct scratch *s, u32 i, u64 pointer, u32 narrow)
{
	u64 limit[2] = {};
	u32 half[2] = {};

	if (pointer && narrow) {
		bpf_probe_read_user(half, sizeof(half), (void *)pointer);
		limit[0] = (s64)(s32)half[0];
		limit[1] = (s64)(s32)half[1];
	} else if (pointer) {
		bpf_probe_read_user(limit, sizeof(limit), (void *)pointer);
	}
	put_u64(s, i, limit[0]);
	put_u64(s, i + 1, limit[1]);
}

static __always_inline u64 user_u64(u64 pointer)
{
	u64 value = 0;

	if (pointer)
		bpf_probe_read_user(&value, sizeof(value), (void *)pointer);
	return value;
}

static __always_inline u32 user_u32(u64 pointer)
{
	u32 value = 0;

	if (pointer)
		bpf_probe_read_user(&value, sizeof(value), (void *)pointer);
	return value;
}

/* Inode of the pipe behind a descriptor. */
static __always_inline u64 inode_of_fd(s32 fd)
{
	struct file *file = file_of(fd);

	return BPF_CORE_READ(file, f_inode, i_ino);
}

static __always_inline void numbers_event(struct scratch *s)
{
	struct cred *cred;
	u64 value = 0;
	s32 fds[2] = {};
	const u64 *arg = s->arg;

	begin_call(s, EXTRA_NONE);
	if (s->type == EV_GENERIC_X) {
		put_u16(s, 0, s->id);
		put_u16(s, 1, s->nr);
		finish_call(s);
		return;
	}
	if (s->type >= EV_SYSCALL_GETUID_X && s->type <= EV_SYSCALL_GETEGID_X) {
		put_u32(s, 0, s->ret);
		finish_call(s);
		return;
	}
	if (NPARAMS(s))
		put_res(s);
	switch (s->type) {
	/* -- descriptors */
	case EV_SYSCALL_CLOSE_X:
		put_int(s, 1, arg[0]);
		break;
	case EV_SYSCALL_CLOSE_RANGE_X:
		put_u32(s, 1, arg[0]);
		put_u32(s, 2, arg[1]);
		put_u32(s, 3, arg[2]);
		break;
	case EV_SYSCALL_PIPE_X:
		bpf_probe_read_user(fds, sizeof(fds), (void *)arg[0]);
		put_int(s, 1, s->ret ? -1 : fds[0]);
		put_int(s, 2, s->ret ? -1 : fds[1]);
		put_u64(s, 3, s->ret ? 0 : inode_of_fd(fds[0]));
		if (!s->ret)
			fds_made(fds);
		break;
	case EV_SYSCALL_PIPE2_X:
		bpf_probe_read_user(fds, sizeof(fds), (void *)arg[0]);
		put_int(s, 1, s->ret ? -1 : fds[0]);
		put_int(s, 2, s->ret ? -1 : fds[1]);
		put_u64(s, 3, s->ret ? 0 : inode_of_fd(fds[0]));
		if (!s->ret)
			fds_made(fds);
		put_u32(s, 4, wire_fd_flags(arg[1]));
		break;
	case EV_SYSCALL_EVENTFD_X:
		put_u64(s, 1, (u32)arg[0]);
		put_u32(s, 2, 0);
		break;
	case EV_SYSCALL_EVENTFD2_X:
		put_u16(s, 1, wire_fd_flags(arg[1]));
		put_u64(s, 2, (u32)arg[0]);
		break;
	case EV_SYSCALL_SIGNALFD_X:
		put_int(s, 1, arg[0]);
		put_u32(s, 2, user_u32(arg[1]));
		put_u8(s, 3, 0);
		break;
	case EV_SYSCALL_SIGNALFD4_X:
		put_u16(s, 1, wire_fd_flags(arg[3]));
		put_int(s, 2, arg[0]);
		put_u32(s, 3, user_u32(arg[1]));
		break;
	case EV_SYSCALL_TIMERFD_CREATE_X:
		put_u8(s, 1, arg[0]);
		put_u8(s, 2, 0);
		break;
	case EV_SYSCALL_INOTIFY_INIT_X:
		put_u8(s, 1, 0);
		break;
	case EV_SYSCALL_INOTIFY_INIT1_X:
		put_u16(s, 1, wire_fd_flags(arg[0]));
		break;
	case EV_SYSCALL_EPOLL_CREATE_X:
		put_u32(s, 1, arg[0]);
		break;
	case EV_SYSCALL_EPOLL_CREATE1_X:
		put_u32(s, 1, arg[0] & 02000000 ? PPM_EPOLL_CLOEXEC : 0);
		break;
	case EV_SYSCALL_USERFAULTFD_X:
		put_u32(s, 1, wire_fd_flags(arg[0]));
		break;
	case EV_SYSCALL_PIDFD_OPEN_X:
		put_int(s, 1, arg[0]);
		put_u32(s, 2, arg[1] & 04000 ? PPM_PIDFD_NONBLOCK : 0);
		break;
	case EV_SYSCALL_PIDFD_GETFD_X:
		put_int(s, 1, arg[0]);
		put_int(s, 2, arg[1]);
		put_u32(s, 3, arg[2]);
		break;
	case EV_SYSCALL_BPF_2_X:
		put_u32(s, 1, arg[0]);
		break;
	case EV_SYSCALL_IO_URING_ENTER_X:
		put_int(s, 1, arg[0]);
		put_u32(s, 2, arg[1]);
		put_u32(s, 3, arg[2]);
		put_u32(s, 4, arg[3] & 0xf);
		put_u32(s, 5, arg[3] & 8 ? 0 : user_u32(arg[4]));
		break;
	case EV_SYSCALL_IO_URING_REGISTER_X:
		put_int(s, 1, arg[0]);
		put_u16(s, 2, arg[1]);
		put_u64(s, 3, arg[2]);
		put_u32(s, 4, arg[3]);
		break;
	case EV_SYSCALL_IOCTL_3_X:
		put_int(s, 1, arg[0]);
		put_u64(s, 2, arg[1]);
		put_u64(s, 3, arg[2]);
		break;
	case EV_SYSCALL_FLOCK_X:
		put_int(s, 1, arg[0]);
		put_u32(s, 2, arg[1] & 0xf);
		break;
	case EV_SYSCALL_LSEEK_X:
		put_int(s, 1, arg[0]);
		put_u64(s, 2, arg[1]);
		put_u8(s, 3, arg[2]);
		break;
	case EV_SYSCALL_LLSEEK_X:
		put_int(s, 1, arg[0]);
		put_u64(s, 2, arg[1] << 32 | (u32)arg[2]);
		put_u8(s, 3, arg[4]);
		break;
	case EV_SYSCALL_FSTAT_X:
		put_int(s, 1, arg[0]);
		break;
	case EV_SYSCALL_FSTAT64_X:
		break;
	case EV_SYSCALL_GETDENTS_X:
		put_int(s, 1, arg[0]);
		break;
	case EV_SYSCALL_GETDENTS64_X:
		put_int(s, 1, arg[0]);
		break;
	case EV_SYSCALL_SPLICE_X:
		put_int(s, 1, arg[0]);
		put_int(s, 2, arg[2]);
		put_u64(s, 3, arg[4]);
		put_u32(s, 4, arg[5] & 0xf);
		break;
	case EV_SYSCALL_SENDFILE_X:
		put_u64(s, 1, user_u64(arg[2]));
		put_int(s, 2, arg[0]);
		put_int(s, 3, arg[1]);
		put_u64(s, 4, arg[3]);
		break;
	case EV_SYSCALL_COPY_FILE_RANGE_X:
		put_int(s, 1, arg[2]);
		put_u64(s, 2, user_u64(arg[3]));
		put_int(s, 3, arg[0]);
		put_u64(s, 4, user_u64(arg[1]));
		put_u64(s, 5, arg[4]);
		break;

	/* -- sockets */
	case EV_SOCKET_SOCKET_X:
		put_u32(s, 1, arg[0]);
		put_u32(s, 2, arg[1]);
		put_u32(s, 3, arg[2]);
		put_u32(s, 4, wire_fd_flags(arg[1] & ~040000ULL));
		break;
	case EV_SOCKET_LISTEN_X:
		put_int(s, 1, arg[0]);
		put_u32(s, 2, arg[1]);
		break;
	case EV_SOCKET_SHUTDOWN_X:
		put_int(s, 1, arg[0]);
		put_u8(s, 2, arg[1]);
		break;

	/* -- identity, sessions, namespaces */
	case EV_SYSCALL_SETUID_X:
		put_u32(s, 1, arg[0]);
		break;
	case EV_SYSCALL_SETGID_X:
		put_u32(s, 1, arg[0]);
		break;
	case EV_SYSCALL_SETREUID_X:
		put_u32(s, 1, arg[0]);
		put_u32(s, 2, arg[1]);
		break;
	case EV_SYSCALL_SETREGID_X:
		put_u32(s, 1, arg[0]);
		put_u32(s, 2, arg[1]);
		break;
	case EV_SYSCALL_SETRESUID_X:
		put_u32(s, 1, arg[0]);
		put_u32(s, 2, arg[1]);
		put_u32(s, 3, arg[2]);
		break;
	case EV_SYSCALL_SETRESGID_X:
		put_u32(s, 1, arg[0]);
		put_u32(s, 2, arg[1]);
		put_u32(s, 3, arg[2]);
		break;
	case EV_SYSCALL_GETRESUID_X:
	case EV_SYSCALL_GETRESGID_X:
		put_u32(s, 1, user_u32(arg[0]));
		put_u32(s, 2, user_u32(arg[1]));
		put_u32(s, 3, user_u32(arg[2]));
		break;
	case EV_SYSCALL_SETSID_X:
		break;
	case EV_SYSCALL_SETPGID_X:
		put_int(s, 1, arg[0]);
		put_int(s, 2, arg[1]);
		break;
	case EV_SYSCALL_UNSHARE_X:
		put_u32(s, 1, wire_clone_flags(arg[0]));
		break;
	case EV_SYSCALL_SETNS_X:
		put_int(s, 1, arg[0]);
		put_u32(s, 2, wire_clone_flags(arg[1]));
		break;
	case EV_SYSCALL_CAPSET_X:
		cred = BPF_CORE_READ(current_task(), cred);
		bpf_core_read(&value, sizeof(value), &cred->cap_inheritable);
		put_u64(s, 1, value);
		bpf_core_read(&value, sizeof(value), &cred->cap_permitted);
		put_u64(s, 2, value);
		bpf_core_read(&value, sizeof(value), &cred->cap_effective);
		put_u64(s, 3, value);
		break;
	case EV_SYSCALL_SECCOMP_X:
		put_u64(s, 1, arg[0]);
		put_u64(s, 2, arg[1]);
		break;

	/* -- signals */
	case EV_SYSCALL_KILL_X:
		put_int(s, 1, arg[0]);
		put_u8(s, 2, arg[1]);
		break;
	case EV_SYSCALL_TKILL_X:
		put_int(s, 1, arg[0]);
		put_u8(s, 2, arg[1]);
		break;
	case EV_SYSCALL_TGKILL_X:
		put_int(s, 1, arg[0]);
		put_int(s, 2, arg[1]);
		put_u8(s, 3, arg[2]);
		break;

	/* -- memory */
	case EV_SYSCALL_BRK_4_X:
		put_vm(s);
		put_u64(s, 4, arg[0]);
		break;
	case EV_SYSCALL_MUNMAP_X:
		put_vm(s);
		put_u64(s, 4, arg[0]);
		put_u64(s, 5, arg[1]);
		break;
	case EV_SYSCALL_MPROTECT_X:
		put_u64(s, 1, arg[0]);
		put_u64(s, 2, arg[1]);
		put_u32(s, 3, wire_prot(arg[2]));
		break;
	case EV_SYSCALL_MLOCK_X:
		put_u64(s, 1, arg[0]);
		put_u64(s, 2, arg[1]);
		break;
	case EV_SYSCALL_MLOCK2_X:
		put_u64(s, 1, arg[0]);
		put_u64(s, 2, arg[1]);
		put_u32(s, 3, arg[2] & 1);
		break;
	case EV_SYSCALL_MUNLOCK_X:
		put_u64(s, 1, arg[0]);
		put_u64(s, 2, arg[1]);
		break;
	case EV_SYSCALL_MLOCKALL_X:
		put_u32(s, 1, arg[0] & 7);
		break;
	case EV_SYSCALL_MUNLOCKALL_X:
		break;

	/* -- limits, waiting */
	case EV_SYSCALL_GETRLIMIT_X:
		put_limit(s, 1, s->ret ? 0 : arg[1], s->compat);
		put_u8(s, 3, arg[0]);
		break;
	case EV_SYSCALL_SETRLIMIT_X:
		put_limit(s, 1, arg[1], s->compat);
		put_u8(s, 3, arg[0]);
		break;
	case EV_SYSCALL_PRLIMIT_X:
		put_limit(s, 1, arg[2], 0);
		put_limit(s, 3, s->ret ? 0 : arg[3], 0);
		put_int(s, 5, arg[0]);
		put_u8(s, 6, arg[1]);
		break;
	case EV_SYSCALL_EPOLLWAIT_X:
		put_int(s, 1, arg[2]);
		break;
	case EV_SYSCALL_SELECT_X:
		break;
	case EV_SYSCALL_NANOSLEEP_X:
		if (s->compat)
			put_u64(s, 1, user_u32(arg[0]) * NSEC + user_u32(arg[0] + 4));
		else
			put_u64(s, 1, user_u64(arg[0]) * NSEC + user_u64(arg[0] + 8));
		break;
	case EV_SYSCALL_FUTEX_X:
		put_u64(s, 1, arg[0]);
		put_u16(s, 2, arg[1]);
		put_u64(s, 3, (u32)arg[2]);
		break;
	}
	finish_call(s);
}
