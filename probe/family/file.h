/*
 * Calls on a descriptor whose file can matter to rules: dup, fcntl, mmap. Where the open was not reported, the file is
 * told here: its path, device and inode stand behind the table's parameters.
 */
#pragma once

/* F_* of include/uapi/asm-generic/fcntl.h and include/uapi/linux/fcntl.h to the wire's. */
static __always_inline u8 wire_fcntl(u32 cmd)
{
	switch (cmd) {
#define CASE(native, name) \
	case native:       \
		return PPM_##name
		CASE(0, F_DUPFD);
		CASE(1, F_GETFD);
		CASE(2, F_SETFD);
		CASE(3, F_GETFL);
		CASE(4, F_SETFL);
		CASE(5, F_GETLK);
		CASE(6, F_SETLK);
		CASE(7, F_SETLKW);
		CASE(8, F_SETOWN);
		CASE(9, F_GETOWN);
		CASE(10, F_SETSIG);
		CASE(11, F_GETSIG);
		CASE(12, F_GETLK64);
		CASE(13, F_SETLK64);
		CASE(14, F_SETLKW64);
		CASE(15, F_SETOWN_EX);
		CASE(16, F_GETOWN_EX);
		CASE(36, F_OFD_GETLK);
		CASE(37, F_OFD_SETLK);
		CASE(38, F_OFD_SETLKW);
		CASE(1024, F_SETLEASE);
		CASE(1025, F_GETLEASE);
		CASE(1026, F_NOTIFY);
		CASE(1029, F_CANCELLK);
		CASE(1030, F_DUPFD_CLOEXEC);
		CASE(1031, F_SETPIPE_SZ);
		CASE(1032, F_GETPIPE_SZ);
#undef CASE
	}
	return 0;
}

/* MAP_* (x86) to the wire's. */
static __always_inline u32 wire_mmap_flags(u64 flags)
{
	u32 wire = flags & 3;

#define MAP(native, name) wire |= flags & (native) ? PPM_##name : 0
	MAP(0x10, MAP_FIXED);
	MAP(0x20, MAP_ANONYMOUS);
	MAP(0x40, MAP_32BIT);
	MAP(0x100, MAP_GROWSDOWN);
	MAP(0x800, MAP_DENYWRITE);
	MAP(0x1000, MAP_EXECUTABLE);
	MAP(0x2000, MAP_LOCKED);
	MAP(0x4000, MAP_NORESERVE);
	MAP(0x8000, MAP_POPULATE);
	MAP(0x10000, MAP_NONBLOCK);
#undef MAP
	return wire;
}

static __always_inline void file_event(struct scratch *s)
{
	const u64 *arg = s->arg;
	u64 fd = arg[0];

	EXTRA(s) = s->carries ? EXTRA_FILE : EXTRA_NONE;
	begin_call(s, EXTRA(s));
	put_res(s);
	switch (s->type) {
	case EV_SYSCALL_DUP_1_X:
		put_int(s, 1, arg[0]);
		break;
	case EV_SYSCALL_DUP2_X:
		put_int(s, 1, arg[0]);
		put_int(s, 2, arg[1]);
		break;
	case EV_SYSCALL_DUP3_X:
		put_int(s, 1, arg[0]);
		put_int(s, 2, arg[1]);
		put_u32(s, 3, wire_fd_flags(arg[2]));
		break;
	case EV_SYSCALL_FCNTL_X:
		put_int(s, 1, arg[0]);
		put_u8(s, 2, wire_fcntl(arg[1]));
		put_u64(s, 3, arg[2]);
		break;
	case EV_SYSCALL_MMAP_X:
	case EV_SYSCALL_MMAP2_X:
		fd = arg[4];
		put_vm(s);
		put_u64(s, 4, arg[0]);
		put_u64(s, 5, arg[1]);
		put_u32(s, 6, wire_prot(arg[2]));
		put_u32(s, 7, wire_mmap_flags(arg[3]));
		put_int(s, 8, arg[4]);
		put_u64(s, 9, arg[5]);
		break;
	default:
		return;
	}
	if (EXTRA(s) == EXTRA_FILE)
		finish_file(s, NPARAMS(s), file_of(fd));
	else
		finish_call(s);
}
