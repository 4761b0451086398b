/*
 * Windhover's eBPF program: what processes do, as scap events.
 *
 * Events are taken where a system call ends, and where the scheduler makes, changes and ends processes. Only raw
 * tracepoints are used, with types for the hottest: they are there on every kernel since 5.10. The program attached to sys_exit decides in one
 * array look-up whether the call is wanted, then whether a rule or the state can want this very call and whether the
 * process is in scope, and only then calls the program of the call's family, which builds the event and puts it into the ring.
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "wire.h"
#include "maps.h"
#include "record.h"
#include "path.h"
#include "task.h"
#include "scope.h"
#include "descriptors.h"
#include "programs.h"
#include "socket.h"
#include "family/process.h"
#include "family/open.h"
#include "family/numbers.h"
#include "family/file.h"
#include "family/paths.h"
#include "family/network.h"
#include "family/data.h"
#include "family/misc.h"
#include "family/uring.h"

#define TS_COMPAT 2 /* thread_info.status, arch/x86/include/asm/thread_info.h */
#define NR_I386_SOCKETCALL 102

/* The system call's number, in whichever numbering; the x32 bit is taken away. */
static __always_inline u32 number_of(struct pt_regs *regs)
{
	struct pt_regs___arm64 *arm = (void *)regs;

	if (bpf_core_field_exists(arm->syscallno))
		return arm->syscallno;
	return (u32)regs->orig_ax & ~0x40000000U;
}

static __always_inline void read_args(u64 *arg, struct pt_regs *regs, u32 compat)
{
	struct pt_regs___arm64 *arm = (void *)regs;

	if (bpf_core_field_exists(arm->syscallno)) {
		bpf_probe_read_kernel(arg, 6 * sizeof(*arg), regs);
		arg[0] = BPF_CORE_READ(arm, orig_x0);
		return;
	}
	if (compat) {
		arg[0] = (u32)regs->bx;
		arg[1] = (u32)regs->cx;
		arg[2] = (u32)regs->dx;
		arg[3] = (u32)regs->si;
		arg[4] = (u32)regs->di;
		arg[5] = (u32)regs->bp;
	} else {
		arg[0] = regs->di;
		arg[1] = regs->si;
		arg[2] = regs->dx;
		arg[3] = regs->r10;
		arg[4] = regs->r8;
		arg[5] = regs->r9;
	}
}

/* Whether the current call was made by its 32-bit number. */
static __always_inline u32 is_compat(void)
{
	struct task_struct *task = 0;

	if (!bpf_core_field_exists(task->thread_info.status))
		return 0;
	if (HAS_TYPED_TASK) {
		task = (void *)bpf_get_current_task_btf();
		return task->thread_info.status & TS_COMPAT;
	}
	task = current_task();
	return BPF_CORE_READ(task, thread_info.status) & TS_COMPAT;
}

SEC("tp_btf/sys_exit")
int wh_sys_exit(u64 *ctx)
{
	struct pt_regs *regs = (void *)ctx[0];
	u32 nr = number_of(regs), compat, carries = 0;
	struct syscall *call;
	struct entry *entry;
	struct scratch *s;
	u64 arg[6];
	s64 ret = ctx[1];

	if (nr >= SYSCALLS)
		return 0;
	call = bpf_map_lookup_elem(&syscalls, &nr);
	if (!call || !(call->native.type | call->compat.type))
		return 0;
	compat = is_compat();
	entry = compat ? &call->compat : &call->native;
	if (!entry->type)
		return 0;
	read_args(arg, regs, compat);
	if (entry->third && !(entry->third & (u32)arg[2]))
		return 0;
	/* Only processes in scope have a table. */
	if (entry->quiet && changes_nothing(entry, arg))
		return 0;
	if (!in_scope())
		return 0;
	if (compat) {
		ret = (s32)ret;
		if (nr == NR_I386_SOCKETCALL) {
			u32 args[6] = {}, which = arg[0];
			bpf_probe_read_user(args, sizeof(args), (void *)arg[1]);
			entry = bpf_map_lookup_elem(&socketcalls, &which);
			if (!entry || !entry->type)
				return 0;
			for (int i = 0; i < 6; i++)
				arg[i] = args[i];
		}
	}
	if (entry->fds && !fds_follow(entry, arg, ret, &carries))
		return 0;
	s = scratch_of(SLOT_SYSCALL);
	if (!s)
		return 0;
	__builtin_memcpy(s->arg, arg, sizeof(arg));
	s->compat = compat;
	s->ret = ret;
	s->carries = carries;
	s->nr = nr;
	s->type = entry->type;
	s->class = entry->class;
	s->id = entry->id;
	s->nparams = entry->nparams;
	FLAGS(s) = compat ? WH_COMPAT : 0;
	/* Of a constant the kernel makes a jump. */
	if (entry->program == P_OPEN)
		bpf_tail_call_static(ctx, &programs, P_OPEN);
	else
		bpf_tail_call(ctx, &programs, entry->program);
	return 0;
}

/* One program for each family; the event to build is in the scratch of this CPU. */
#define FAMILY(name, build)                                    \
	SEC("tp_btf/sys_exit")                                         \
	int wh_##name(void *ctx __attribute__((unused)))       \
	{                                                      \
		struct scratch *s = scratch_of(SLOT_SYSCALL);  \
		if (s)                                         \
			build(s);                              \
		return 0;                                      \
	}

FAMILY(numbers, numbers_event)
FAMILY(open, open_event)
FAMILY(paths, paths_event)
FAMILY(socket, socket_event)
FAMILY(data, data_event)
FAMILY(process, clone_caller)
FAMILY(failed_exec, exec_failed)
FAMILY(misc, misc_event)
FAMILY(file, file_event)

/* The scratch of an event that is no system call; 0 when it is not selected. */
static __always_inline struct scratch *other_scratch(u32 other, u32 slot)
{
	struct entry *entry = bpf_map_lookup_elem(&others, &other);
	struct scratch *s;

	if (!entry || !entry->type)
		return 0;
	s = scratch_of(slot);
	if (!s)
		return 0;
	s->class = entry->class;
	s->compat = 0;
	FLAGS(s) = 0;
	return s;
}

SEC("raw_tp/sched_process_fork")
int wh_fork(u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];
	struct scratch *s;

	if (!in_scope() || is_kernel_thread(child))
		return 0;
	scope_inherit(child);
	fds_inherit(parent, child);
	program_born(parent, child);
	s = other_scratch(OTHER_FORK, SLOT_FORK);
	if (s)
		fork_child(s, parent, child);
	return 0;
}

SEC("raw_tp/sched_process_exec")
int wh_exec(u64 *ctx)
{
	struct scratch *s;

	scope_arm();
	if (!in_scope())
		return 0;
	s = other_scratch(OTHER_EXEC, SLOT_EXEC);
	if (s)
		exec_done(s, (void *)ctx[0], (void *)ctx[2]);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int wh_exit(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct scratch *s;

	if (in_scope() && !is_kernel_thread(task)) {
		s = other_scratch(OTHER_EXIT, SLOT_EXIT);
		if (s)
			thread_exit(s, task);
	}
	scope_leave(task);
	fds_leave(task);
	return 0;
}

/* The request's flags start with the ones of its submission (IOSQE_*), whatever their width. */
static __always_inline u32 request_flags(void *req)
{
	u32 flags = 0;

	if (bpf_core_field_exists(((struct io_kiocb___flags *)req)->flags))
		bpf_probe_read_kernel(&flags, sizeof(flags), req + bpf_core_field_offset(struct io_kiocb___flags, flags));
	return flags;
}

/* Since 6.3: (req). */
SEC("raw_tp/io_uring_submit_req")
int wh_uring_submit_req(u64 *ctx)
{
	struct io_kiocb *req = (void *)ctx[0];
	struct uring_key key = { (u64)req, 0 };

	uring_submit(req, BPF_CORE_READ(req, opcode), &key, request_flags(req));
	return 0;
}

/* Before: (req, force_nonblock) since 5.19, (ring, req, opcode, user_data, ...) since 5.11, (ring, opcode, user_data, ...). */
SEC("raw_tp/io_uring_submit_sqe")
int wh_uring_submit_sqe(u64 *ctx)
{
	struct trace_event_raw_io_uring_submit_sqe *shape = 0;
	struct uring_key key = {};
	void *req = 0;
	u32 op;

	if (bpf_core_type_exists(struct io_cqe)) {
		req = (void *)ctx[0];
		op = BPF_CORE_READ((struct io_kiocb *)req, opcode);
		key.a = (u64)req;
	} else if (bpf_core_field_exists(shape->req)) {
		req = (void *)ctx[1];
		op = ctx[2];
		key.a = ctx[0];
		key.b = ctx[3];
	} else {
		op = ctx[1];
		key.a = ctx[0];
		key.b = ctx[2];
	}
	uring_submit(req, op, &key, req ? request_flags(req) : 0);
	return 0;
}

/* (ring, req, ...) where the request holds its result (5.19); (ring, req, user_data, res, ...) or (ring, user_data, res) before. */
SEC("raw_tp/io_uring_complete")
int wh_uring_complete(u64 *ctx)
{
	struct trace_event_raw_io_uring_complete *shape = 0;
	struct uring_key key = {};
	void *req = 0;
	s64 res;

	if (bpf_core_type_exists(struct io_cqe)) {
		req = (void *)ctx[1];
		res = BPF_CORE_READ((struct io_kiocb *)req, cqe.res);
		key.a = (u64)req;
	} else if (bpf_core_field_exists(shape->req)) {
		req = (void *)ctx[1];
		res = (s32)ctx[3];
		key.a = ctx[0];
		key.b = ctx[2];
	} else {
		res = (s32)ctx[2];
		key.a = ctx[0];
		key.b = ctx[1];
	}
	uring_complete(&key, req, res);
	return 0;
}
