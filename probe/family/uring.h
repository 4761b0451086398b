/*
 * io_uring: operations that do what system calls do, without being any.
 *
 * At submission the request is remembered, with the names as the kernel copied them; at completion the event of the
 * corresponding system call is written, marked in wh.flags. A request that asks for no completion when it succeeds
 * (IOSQE_CQE_SKIP_SUCCESS) is reported as if it had, at submission.
 */
#pragma once

/* enum io_uring_op, include/uapi/linux/io_uring.h. */
enum {
	OP_ACCEPT = 13,
	OP_CONNECT = 16,
	OP_OPENAT = 18,
	OP_CLOSE = 19,
	OP_OPENAT2 = 28,
	OP_RENAMEAT = 35,
	OP_UNLINKAT = 36,
	OP_MKDIRAT = 37,
	OP_SYMLINKAT = 38,
	OP_LINKAT = 39,
	OP_SOCKET = 45,
	OP_BIND = 56,
	OP_LISTEN = 57,
};

#define IOSQE_CQE_SKIP_SUCCESS (1 << 6)

/* The descriptor of a file that went into the ring's own table: none that the process has. */
#define DIRECT_DESCRIPTOR 0x7fffffff

static __always_inline void pending_name(struct uring_pending *p, u32 i, struct filename *filename)
{
	long n = bpf_probe_read_kernel_str(p->name[i], URING_NAME, BPF_CORE_READ(filename, name));

	p->length[i] = n > 0 ? n : 0;
	if (n == URING_NAME)
		p->flags |= WH_TRUNCATED;
}

/* The name that a request keeps, in either form. */
#define REQUEST_NAME(request, type, member)                                                              \
	(bpf_core_field_exists(((struct type##___delayed *)(request))->member.__incomplete_filename)        \
		 ? BPF_CORE_READ((struct type##___delayed *)(request), member.__incomplete_filename)        \
		 : BPF_CORE_READ((struct type *)(request), member))

/* Copies what the request asks for; every member is only read on kernels that have it. */
static __always_inline void pending_fill(struct uring_pending *p, void *req, u32 op)
{
	struct io_kiocb *kiocb = req;

	p->arg[0] = bpf_core_field_exists(kiocb->cqe.fd) ? (s64)BPF_CORE_READ(kiocb, cqe.fd) : -1;
	switch (op) {
	case OP_OPENAT:
	case OP_OPENAT2: {
		struct io_open *open = req;
		p->arg[0] = BPF_CORE_READ(open, dfd);
		p->arg[1] = BPF_CORE_READ(open, how.flags);
		p->arg[2] = BPF_CORE_READ(open, how.mode);
		p->arg[3] = BPF_CORE_READ(open, how.resolve);
		if (bpf_core_field_exists(open->file_slot))
			p->arg[4] = BPF_CORE_READ(open, file_slot);
		pending_name(p, 0, REQUEST_NAME(req, io_open, filename));
		break;
	}
	case OP_CLOSE: {
		struct io_close *close = req;
		p->arg[0] = BPF_CORE_READ(close, fd);
		break;
	}
	case OP_UNLINKAT: {
		struct io_unlink *unlink = req;
		if (bpf_core_field_exists(unlink->dfd)) {
			p->arg[0] = BPF_CORE_READ(unlink, dfd);
			p->arg[2] = BPF_CORE_READ(unlink, flags);
			pending_name(p, 0, REQUEST_NAME(req, io_unlink, filename));
		}
		break;
	}
	case OP_RENAMEAT: {
		struct io_rename *rename = req;
		if (bpf_core_field_exists(rename->old_dfd)) {
			p->arg[0] = BPF_CORE_READ(rename, old_dfd);
			p->arg[1] = BPF_CORE_READ(rename, new_dfd);
			p->arg[2] = BPF_CORE_READ(rename, flags);
			pending_name(p, 0, REQUEST_NAME(req, io_rename, oldpath));
			pending_name(p, 1, REQUEST_NAME(req, io_rename, newpath));
		}
		break;
	}
	case OP_MKDIRAT: {
		struct io_mkdir *mkdir = req;
		if (bpf_core_field_exists(mkdir->dfd)) {
			p->arg[0] = BPF_CORE_READ(mkdir, dfd);
			p->arg[2] = BPF_CORE_READ(mkdir, mode);
			pending_name(p, 0, REQUEST_NAME(req, io_mkdir, filename));
		}
		break;
	}
	case OP_SYMLINKAT:
	case OP_LINKAT: {
		struct io_link *link = req;
		if (bpf_core_field_exists(link->old_dfd)) {
			p->arg[0] = BPF_CORE_READ(link, old_dfd);
			p->arg[1] = BPF_CORE_READ(link, new_dfd);
			p->arg[2] = BPF_CORE_READ(link, flags);
			pending_name(p, 0, REQUEST_NAME(req, io_link, oldpath));
			pending_name(p, 1, REQUEST_NAME(req, io_link, newpath));
		}
		break;
	}
	case OP_CONNECT: {
		struct io_connect *connect = req;
		p->arg[1] = (u64)BPF_CORE_READ(connect, addr);
		p->arg[2] = BPF_CORE_READ(connect, addr_len);
		break;
	}
	case OP_ACCEPT: {
		struct io_accept *accept = req;
		p->arg[1] = BPF_CORE_READ(accept, flags);
		break;
	}
	case OP_SOCKET: {
		struct io_socket *socket = req;
		if (bpf_core_field_exists(socket->domain)) {
			p->arg[0] = BPF_CORE_READ(socket, domain);
			p->arg[1] = BPF_CORE_READ(socket, type);
			p->arg[2] = BPF_CORE_READ(socket, protocol);
		}
		break;
	}
	case OP_LISTEN: {
		struct io_listen *listen = req;
		if (bpf_core_field_exists(listen->backlog))
			p->arg[1] = BPF_CORE_READ(listen, backlog);
		break;
	}
	}
}

static __always_inline void put_pending_name(struct scratch *s, u32 i, struct uring_pending *p, u32 which)
{
	u32 at = AT(s) & REC_MASK;
	u64 n = p->length[which];

	if (n > URING_NAME)
		n = URING_NAME;
	bpf_probe_read_kernel(s->rec + at, n, p->name[which]);
	set_len(s, i, n);
	AT(s) = at + (u32)n;
}

/* The directory that a relative name of the request starts from. */
static __always_inline void base_pending(struct scratch *s, u32 slot, s32 dirfd, struct uring_pending *p, u32 which)
{
	if (p->name[which][0] == '/')
		return;
	if (dirfd == AT_FDCWD)
		base_cwd(s, slot);
	else
		base_file(s, slot, file_of(dirfd));
}

/* Writes the event of a finished request. `req` is 0 on kernels that do not name it. */
static __always_inline void uring_event(struct scratch *s, struct uring_pending *p, void *req, s64 res)
{
	struct io_kiocb *kiocb = req;
	u32 op = p->op, extra, nparams, flags_at;
	struct file *file = 0;
	struct file_facts *facts = &s->file;
	struct sock *sk;

	s->type = p->entry.type;
	s->class = p->entry.class;
	s->nparams = p->entry.nparams;
	s->compat = 0;
	s->ret = res;
	FLAGS(s) = p->flags | WH_URING;
	base_none(s);
	extra = EXTRA_FLAGS;
	if (op == OP_OPENAT || op == OP_OPENAT2) {
		extra = EXTRA_FILE;
		if (p->arg[4] && res == 0)
			s->ret = DIRECT_DESCRIPTOR;
		else if (res >= 0 && res != DIRECT_DESCRIPTOR)
			file = file_of(res);
	} else if (op == OP_RENAMEAT || op == OP_LINKAT) {
		extra = EXTRA_NAMES;
	} else if (op == OP_UNLINKAT || op == OP_MKDIRAT || op == OP_SYMLINKAT) {
		extra = EXTRA_PATH;
	}
	EXTRA(s) = extra;
	extra = EXTRA(s);
	read_file(facts, file);
	begin_for(s, s->type, NPARAMS(s), extra, p->tid);
	put_res(s);
	switch (op) {
	case OP_OPENAT:
	case OP_OPENAT2:
		put_int(s, 1, p->arg[0]);
		put_pending_name(s, 2, p, 0);
		put_u32(s, 3, wire_open_flags(p->arg[1]) | opened_flags(facts));
		put_u32(s, 4, open_mode(p->arg[1], p->arg[2]));
		if (op == OP_OPENAT2) {
			put_u32(s, 5, wire_resolve(p->arg[3]));
			put_dev_ino(s, 6, facts);
		} else {
			put_dev_ino(s, 5, facts);
		}
		if (file) {
			base_file(s, 0, file);
			FLAGS(s) |= WH_RESOLVED;
		} else {
			base_pending(s, 0, p->arg[0], p, 0);
			FLAGS(s) |= WH_UNTRUSTED;
		}
		break;
	case OP_CLOSE:
		put_int(s, 1, p->arg[0]);
		break;
	case OP_UNLINKAT:
		put_int(s, 1, p->arg[0]);
		put_pending_name(s, 2, p, 0);
		put_u32(s, 3, p->arg[2] & PPM_AT_REMOVEDIR);
		base_pending(s, 0, p->arg[0], p, 0);
		break;
	case OP_RENAMEAT:
	case OP_LINKAT:
		put_int(s, 1, p->arg[0]);
		put_pending_name(s, 2, p, 0);
		put_int(s, 3, p->arg[1]);
		put_pending_name(s, 4, p, 1);
		put_u32(s, 5, op == OP_RENAMEAT ? p->arg[2] : p->arg[2] & (PPM_LINK_AT_SYMLINK_FOLLOW | PPM_LINK_AT_EMPTY_PATH));
		base_pending(s, 0, p->arg[0], p, 0);
		base_pending(s, 1, p->arg[1], p, 1);
		break;
	case OP_MKDIRAT:
		put_int(s, 1, p->arg[0]);
		put_pending_name(s, 2, p, 0);
		put_u32(s, 3, p->arg[2]);
		base_pending(s, 0, p->arg[0], p, 0);
		break;
	case OP_SYMLINKAT:
		put_pending_name(s, 1, p, 0);
		put_int(s, 2, p->arg[1]);
		put_pending_name(s, 3, p, 1);
		base_pending(s, 0, p->arg[1], p, 1);
		break;
	case OP_CONNECT:
		sk = req ? sock_of(BPF_CORE_READ(kiocb, file)) : 0;
		put_tuple(s, 1, res == 0 || res == -EINPROGRESS ? sk : 0, OUTBOUND, 0);
		put_int(s, 2, p->arg[0]);
		s->name_length = p->arg[2];
		put_user_sockaddr(s, 3, p->arg[1]);
		break;
	case OP_ACCEPT:
		s->arg[0] = p->arg[0];
		s->arg[3] = p->arg[1];
		put_accept(s);
		break;
	case OP_SOCKET:
		put_u32(s, 1, p->arg[0]);
		put_u32(s, 2, p->arg[1]);
		put_u32(s, 3, p->arg[2]);
		put_u32(s, 4, wire_socket_flags(p->arg[1]));
		break;
	case OP_BIND:
		sk = req ? sock_of(BPF_CORE_READ(kiocb, file)) : 0;
		put_local_sockaddr(s, 1, res == 0 ? sk : 0);
		put_int(s, 2, p->arg[0]);
		break;
	case OP_LISTEN:
		put_int(s, 1, p->arg[0]);
		put_u32(s, 2, p->arg[1]);
		break;
	}
	extra = EXTRA(s);
	if (extra == EXTRA_PATH || extra == EXTRA_NAMES)
		FLAGS(s) |= WH_UNTRUSTED;
	nparams = NPARAMS(s);
	flags_at = AT(s) & REC_MASK;
	put_flags(s, nparams);
	if (extra != EXTRA_FLAGS)
		put_bases(s, nparams, extra, facts);
	if (file && p->name[0][0] == '/') {
		/* Only now is the kernel's name there: the flags are written once more. */
		RAW_AT(s) = PREFIX + HEADER + 2 * (nparams + EXTRA_FILE) + 16; /* behind fd and dirfd */
		RAW_LENGTH(s) = p->length[0];
		if (name_differs(s))
			FLAGS(s) |= WH_MISMATCH;
		*(u32 *)(s->rec + (flags_at & REC_MASK)) = FLAGS(s);
	}
	finish(s);
}

/* A request is submitted. */
static __always_inline void uring_submit(void *req, u32 op, struct uring_key *key, u32 flags)
{
	struct entry *entry;
	struct scratch *s;
	struct uring_pending *p;

	op &= URING_OPS - 1;
	entry = bpf_map_lookup_elem(&uring_ops, &op);
	if (!entry || !entry->type || !in_scope())
		return;
	s = scratch_of(SLOT_URING);
	if (!s)
		return;
	if (entry->fds)
		fds_shared();
	p = &s->pending;
	p->entry = *entry;
	p->tid = bpf_get_current_pid_tgid();
	p->op = op;
	p->flags = 0;
	p->length[0] = p->length[1] = 0;
	p->name[0][0] = p->name[1][0] = 0;
	p->arg[0] = p->arg[1] = p->arg[2] = p->arg[3] = p->arg[4] = 0;
	if (req)
		pending_fill(p, req, op);
	if (flags & IOSQE_CQE_SKIP_SUCCESS)
		uring_event(s, p, req, op == OP_OPENAT || op == OP_OPENAT2 || op == OP_ACCEPT || op == OP_SOCKET ? DIRECT_DESCRIPTOR : 0);
	else
		bpf_map_update_elem(&uring_pending, key, p, BPF_ANY);
}

/* A request is done. */
static __always_inline void uring_complete(struct uring_key *key, void *req, s64 res)
{
	struct uring_pending *p = bpf_map_lookup_elem(&uring_pending, key);
	struct scratch *s;

	if (!p)
		return;
	s = scratch_of(SLOT_URING);
	if (s)
		uring_event(s, p, req, res);
	bpf_map_delete_elem(&uring_pending, key);
}
