/*
 * Sockets: connect, bind, accept, socketpair, options, and what is sent and received.
 */
#pragma once

/* SOCK_NONBLOCK and SOCK_CLOEXEC as the wire's open flags. */
static __always_inline u32 wire_socket_flags(u64 type)
{
	return (type & 04000 ? PPM_O_NONBLOCK : 0) | (type & 02000000 ? PPM_O_CLOEXEC : 0);
}

/* True when the peer in the caller's memory is not the socket's. */
static __always_inline int peer_differs(struct scratch *s, struct sock *sk, u64 name)
{
	u16 family = read_sockaddr(s, name);

	if (family != BPF_CORE_READ(sk, __sk_common.skc_family))
		return family == AF_INET || family == AF_INET6;
	if (family == AF_INET)
		return TMP_IP4(s) != BPF_CORE_READ(sk, __sk_common.skc_daddr) || TMP_PORT(s) != SWAP16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (family == AF_INET6) {
		u64 ip[2] = {};
		bpf_probe_read_kernel(ip, sizeof(ip), (void *)sk + bpf_core_field_offset(struct sock, __sk_common.skc_v6_daddr));
		return s->tmp[1] != ip[0] || s->tmp[2] != ip[1] || TMP_PORT(s) != SWAP16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	}
	return 0;
}

#define EINPROGRESS 115
#define EISCONN 106
#define ENOTSOCK 88

static __always_inline void put_accept(struct scratch *s)
{
	struct sock *listener = sock_of(file_of(s->arg[0]));
	u32 length = BPF_CORE_READ(listener, sk_ack_backlog), max = BPF_CORE_READ(listener, sk_max_ack_backlog);

	put_tuple(s, 1, s->ret >= 0 ? sock_of(file_of(s->ret)) : 0, INBOUND, 0);
	put_u8(s, 2, max ? (u64)length * 100 / max : 0);
	put_u32(s, 3, length);
	put_u32(s, 4, max);
	if (s->type == EV_SOCKET_ACCEPT4_6_X)
		put_u32(s, 5, wire_socket_flags(s->arg[3]));
}

/* The value of a socket option, tagged: 0 bytes, 1 errno, 2 u32, 3 u64, 4 nanoseconds (enum of PPM_SOCKOPT_IDX_*). */
static __always_inline void put_option(struct scratch *s, u32 i, u64 level, u64 name, u64 pointer, u32 length)
{
	u32 from = AT(s) & REC_MASK;
	u64 value = 0;

	if (level == 1 && name == 4) { /* SO_ERROR */
		s32 error = 0;
		bpf_probe_read_user(&error, sizeof(error), (void *)pointer);
		append_u8(s, 1);
		append_u64(s, -(s64)error);
	} else if (level == 1 && (name == 20 || name == 21)) { /* SO_RCVTIMEO, SO_SNDTIMEO */
		u64 time[2] = {};
		bpf_probe_read_user(time, sizeof(time), (void *)pointer);
		append_u8(s, 4);
		append_u64(s, time[0] * NSEC + time[1] * 1000);
	} else if (level == 1 && name == 57) { /* SO_COOKIE */
		bpf_probe_read_user(&value, 8, (void *)pointer);
		append_u8(s, 3);
		append_u64(s, value);
	} else if (level == 1 && length == 4) {
		bpf_probe_read_user(&value, 4, (void *)pointer);
		append_u8(s, 2);
		append_u32(s, value);
	} else {
		append_u8(s, 0);
		put_user_bytes(s, i, pointer, length, 64);
	}
	end_param(s, i, from);
}

static __always_inline void put_sockopt(struct scratch *s, u32 length)
{
	u64 level = s->arg[1], name = s->arg[2];

	put_int(s, 1, s->arg[0]);
	put_u8(s, 2, level == 1 ? PPM_SOL_SOCKET : level == 6 ? PPM_SOL_TCP : 0);
	/* SO_* keep the kernel's numbers up to 50; three have others. */
	put_u8(s, 3, level != 1 ? 0 : name == 57 ? 53 : name == 55 ? 52 : name == 59 ? 51 : name);
	put_option(s, 4, level, name, s->arg[3], length);
	put_u32(s, 5, length);
}

static __always_inline void socket_event(struct scratch *s)
{
	struct sock *sk, *peer;
	s32 fds[2] = {};
	u32 length = 0;

	s->name_length = s->arg[2];
	/* The descriptor is of something else, whose open need not have been reported. */
	EXTRA(s) = s->ret == -ENOTSOCK ? EXTRA_FILE : EXTRA_FLAGS;
	begin_call(s, EXTRA(s));
	put_res(s);
	switch (s->type) {
	case EV_SOCKET_CONNECT_X:
		sk = sock_of(file_of(s->arg[0]));
		if (s->ret == 0 || s->ret == -EINPROGRESS) {
			put_tuple(s, 1, sk, OUTBOUND, s->arg[1]);
			if (peer_differs(s, sk, s->arg[1]))
				FLAGS(s) |= WH_MISMATCH;
		} else {
			put_empty(s, 1);
			FLAGS(s) |= WH_UNTRUSTED;
		}
		put_int(s, 2, s->arg[0]);
		put_user_sockaddr(s, 3, s->arg[1]);
		break;
	case EV_SOCKET_BIND_X:
		if (s->ret == 0) {
			put_local_sockaddr(s, 1, sock_of(file_of(s->arg[0])));
		} else {
			put_user_sockaddr(s, 1, s->arg[1]);
			FLAGS(s) |= WH_UNTRUSTED;
		}
		put_int(s, 2, s->arg[0]);
		break;
	case EV_SOCKET_ACCEPT_5_X:
	case EV_SOCKET_ACCEPT4_6_X:
		put_accept(s);
		break;
	case EV_SOCKET_SOCKETPAIR_X:
		if (s->ret == 0)
			bpf_probe_read_user(fds, sizeof(fds), (void *)s->arg[3]);
		else
			fds[0] = fds[1] = -1;
		sk = s->ret == 0 ? sock_of(file_of(fds[0])) : 0;
		peer = s->ret == 0 ? sock_of(file_of(fds[1])) : 0;
		if (s->ret == 0)
			fds_made(fds);
		put_int(s, 1, fds[0]);
		put_int(s, 2, fds[1]);
		put_u64(s, 3, identity_of(sk));
		put_u64(s, 4, identity_of(peer));
		put_u32(s, 5, s->arg[0]);
		put_u32(s, 6, s->arg[1]);
		put_u32(s, 7, s->arg[2]);
		break;
	case EV_SOCKET_SETSOCKOPT_X:
		put_sockopt(s, s->arg[4]);
		break;
	case EV_SOCKET_GETSOCKOPT_X:
		bpf_probe_read_user(&length, sizeof(length), (void *)s->arg[4]);
		put_sockopt(s, length);
		break;
	}
	if (EXTRA(s) == EXTRA_FILE)
		finish_file(s, NPARAMS(s), file_of(s->arg[0]));
	else
		finish_call(s);
}
