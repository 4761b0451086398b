/*
 * System calls with strings or structures of their own: prctl, ptrace, memfd_create, modules, io_uring_setup, fsconfig.
 */
#pragma once

#define PR_SET_NAME 15
#define PR_GET_CHILD_SUBREAPER 37

/* PTRACE_* (include/uapi/linux/ptrace.h, x86) to the wire's. */
static __always_inline u16 wire_ptrace(u64 request)
{
	switch (request) {
#define CASE(native, name) \
	case native:       \
		return PPM_PTRACE_##name
		CASE(0, TRACEME);
		CASE(1, PEEKTEXT);
		CASE(2, PEEKDATA);
		CASE(3, PEEKUSR);
		CASE(4, POKETEXT);
		CASE(5, POKEDATA);
		CASE(6, POKEUSR);
		CASE(7, CONT);
		CASE(8, KILL);
		CASE(9, SINGLESTEP);
		CASE(12, GETREGS);
		CASE(13, SETREGS);
		CASE(14, GETFPREGS);
		CASE(15, SETFPREGS);
		CASE(16, ATTACH);
		CASE(17, DETACH);
		CASE(18, GETFPXREGS);
		CASE(19, SETFPXREGS);
		CASE(21, OLDSETOPTIONS);
		CASE(24, SYSCALL);
		CASE(25, GET_THREAD_AREA);
		CASE(26, SET_THREAD_AREA);
		CASE(30, ARCH_PRCTL);
		CASE(31, SYSEMU);
		CASE(32, SYSEMU_SINGLESTEP);
		CASE(33, SINGLEBLOCK);
		CASE(0x4200, SETOPTIONS);
		CASE(0x4201, GETEVENTMSG);
		CASE(0x4202, GETSIGINFO);
		CASE(0x4203, SETSIGINFO);
		CASE(0x4204, GETREGSET);
		CASE(0x4205, SETREGSET);
		CASE(0x4206, SEIZE);
		CASE(0x4207, INTERRUPT);
		CASE(0x4208, LISTEN);
		CASE(0x4209, PEEKSIGINFO);
		CASE(0x420a, GETSIGMASK);
		CASE(0x420b, SETSIGMASK);
#undef CASE
	}
	return PPM_PTRACE_UNKNOWN;
}

/* A tagged value (PT_DYN of ptrace): 0 and u64, or 1 and a signal (u8). */
static __always_inline void put_tagged(struct scratch *s, u32 i, u64 value, int signal)
{
	u32 from = AT(s) & REC_MASK;

	append_u8(s, signal);
	if (signal)
		append_u8(s, value);
	else
		append_u64(s, value);
	end_param(s, i, from);
}

static __always_inline u32 wire_uring_setup(u32 flags)
{
	/* From the third on, the wire has a flag more (IORING_SQ_NEED_WAKEUP). */
	return (flags & 3) | ((flags & 0x7c) << 1);
}

static __always_inline void misc_event(struct scratch *s)
{
	u32 params[6] = {};
	const u64 *arg = s->arg;
	u32 option, at;

	if (s->type == EV_SYSCALL_FINIT_MODULE_X) {
		begin_call(s, EXTRA_FILE);
		put_res(s);
		put_int(s, 1, arg[0]);
		put_user_str(s, 2, arg[1]);
		put_u32(s, 3, arg[2] & 7);
		finish_file(s, NP_SYSCALL_FINIT_MODULE_X, file_of(arg[0]));
		return;
	}
	begin_call(s, EXTRA_FLAGS);
	put_res(s);
	switch (s->type) {
	case EV_SYSCALL_PRCTL_X:
		option = arg[0];
		put_u32(s, 1, option);
		if (option == PR_SET_NAME) {
			at = AT(s) & REC_MASK;
			put_user_str(s, 2, arg[1]);
			program_renamed(s, at);
		} else {
			put_empty(s, 2);
		}
		put_u64(s, 3, option == PR_SET_NAME ? 0 : option == PR_GET_CHILD_SUBREAPER ? (s64)(s32)user_u32(arg[1]) : arg[1]);
		break;
	case EV_SYSCALL_PTRACE_X:
		put_tagged(s, 1, arg[2], 0);
		/* CONT, SINGLESTEP, DETACH and SYSCALL deliver a signal. */
		put_tagged(s, 2, arg[3], arg[0] == 7 || arg[0] == 9 || arg[0] == 17 || arg[0] == 24);
		put_u16(s, 3, wire_ptrace(arg[0]));
		put_int(s, 4, arg[1]);
		break;
	case EV_SYSCALL_MEMFD_CREATE_X:
		put_user_str(s, 1, arg[0]);
		put_u32(s, 2, arg[1] & 7);
		FLAGS(s) |= WH_MEMFD;
		break;
	case EV_SYSCALL_INIT_MODULE_X:
		put_data(s, 1, arg[0], arg[1]);
		put_u64(s, 2, arg[1]);
		put_user_str(s, 3, arg[2]);
		break;
	case EV_SYSCALL_DELETE_MODULE_X:
		put_user_str(s, 1, arg[0]);
		put_u32(s, 2, (arg[1] & 04000 ? 2 : 0) | (arg[1] & 01000 ? 1 : 0));
		break;
	case EV_SYSCALL_IO_URING_SETUP_X:
		/* struct io_uring_params: sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features. */
		bpf_probe_read_user(params, sizeof(params), (void *)arg[1]);
		put_u32(s, 1, arg[0]);
		put_u32(s, 2, params[0]);
		put_u32(s, 3, params[1]);
		put_u32(s, 4, wire_uring_setup(params[2]));
		put_u32(s, 5, params[3]);
		put_u32(s, 6, params[4]);
		put_u32(s, 7, params[5] & 0x7ff);
		break;
	case EV_SYSCALL_FSCONFIG_X:
		put_int(s, 1, arg[0]);
		put_u32(s, 2, arg[1]);
		put_user_str(s, 3, arg[2]);
		if (arg[1] == 2) /* FSCONFIG_SET_BINARY */
			put_user_bytes(s, 4, arg[3], arg[4], PATH_MASK);
		else
			put_empty(s, 4);
		if (arg[1] == 1 || arg[1] == 3 || arg[1] == 4) /* _STRING, _PATH, _PATH_EMPTY */
			put_user_str(s, 5, arg[3]);
		else
			put_empty(s, 5);
		put_u32(s, 6, arg[4]);
		break;
	}	finish_call(s);
}
