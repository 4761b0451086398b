/*
 * Sockets: addresses and tuples in the wire's encodings.
 *
 * SOCKADDR: u8 family, then address and u16 port (host order), or the path of a unix socket.
 * SOCKTUPLE: u8 family, source address and port, destination address and port; for unix sockets the identities of
 * source and destination (u64) and the path.
 */
#pragma once

#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define UNIX_PATH_MAX 108
#define SWAP16(x) ((u16)__builtin_bswap16(x))

enum direction { OUTBOUND, INBOUND };

static __always_inline struct sock *sock_of(struct file *file)
{
	struct socket *socket;

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

static __always_inline void append_bytes(struct scratch *s, const void *from, u32 n)
{
	u32 at = AT(s) & REC_MASK;

	bpf_probe_read_kernel(s->rec + at, n, from);
	AT(s) = at + n;
}

#define APPEND(name, T)                                                     \
	static __always_inline void append_##name(struct scratch *s, T value) \
	{                                                                   \
		u32 at = AT(s) & REC_MASK;                                  \
		*(T *)(s->rec + at) = value;                                \
		AT(s) = at + sizeof(T);                                     \
	}
APPEND(u8, u8)
APPEND(u16, u16)
APPEND(u32, u32)
APPEND(u64, u64)

/* What the parameter being written has got so far becomes its length. */
static __always_inline void end_param(struct scratch *s, u32 i, u32 from)
{
	set_len(s, i, (AT(s) & REC_MASK) - from);
}

/* The caller's struct sockaddr, copied to s->tmp (not the path of a unix socket); the family, or 0. */
static __always_inline u16 read_sockaddr(struct scratch *s, u64 pointer)
{
	__builtin_memset(s->tmp, 0, 32);
	if (s->name_length < 2)
		pointer = 0;
	if (!pointer || bpf_probe_read_user(s->tmp, 16, (void *)pointer))
		return 0;
	u16 family = *(u16 *)s->tmp;
	if (family == AF_INET6)
		bpf_probe_read_user(s->tmp, 28, (void *)pointer);
	return family;
}

#define TMP_PORT(s) SWAP16(*(u16 *)((u8 *)(s)->tmp + 2))
#define TMP_IP4(s) (*(u32 *)((u8 *)(s)->tmp + 4))
#define TMP_IP6(s) ((u8 *)(s)->tmp + 8)

/*
 * Room for a path of a sockaddr_un of `length` bytes, and the NUL that need not be there. An abstract name goes
 * without its leading NUL.
 */
static __always_inline u64 unix_path_room(u32 length, char first)
{
	u64 room = length > UNIX_PATH_MAX + 2 ? UNIX_PATH_MAX + 1 : length < 3 ? 1 : length - 1;

	if (first == 0 && room > 1)
		room--;
	BOUND(room, 127);
	return room;
}

/* The path of the caller's sockaddr_un (s->name_length bytes). */
static __always_inline void append_user_unix_path(struct scratch *s, u64 pointer)
{
	u32 at = AT(s) & REC_MASK;
	char first = 0;
	long n;

	bpf_probe_read_user(&first, 1, (void *)(pointer + 2));
	n = bpf_probe_read_user_str(s->rec + at, unix_path_room(s->name_length, first), (void *)(pointer + 2 + (first == 0)));
	AT(s) = at + (n > 0 ? (u32)n : 0);
}

/* The caller's address as a SOCKADDR parameter; empty for families that have no encoding. */
static __always_inline void put_user_sockaddr(struct scratch *s, u32 i, u64 pointer)
{
	u32 from = AT(s) & REC_MASK;
	u16 family = read_sockaddr(s, pointer);

	if (family == AF_INET) {
		append_u8(s, family);
		append_u32(s, TMP_IP4(s));
		append_u16(s, TMP_PORT(s));
	} else if (family == AF_INET6) {
		append_u8(s, family);
		append_bytes(s, TMP_IP6(s), 16);
		append_u16(s, TMP_PORT(s));
	} else if (family == AF_UNIX) {
		append_u8(s, family);
		append_user_unix_path(s, pointer);
	}
	end_param(s, i, from);
}

static __always_inline u64 identity_of(void *pointer)
{
	return pointer ? (u64)pointer ^ c_pointer_key : 0;
}

/* The path that a unix socket is bound to; an empty string when it is not. */
static __always_inline void append_unix_path(struct scratch *s, struct sock *sk)
{
	struct unix_address *addr = BPF_CORE_READ((struct unix_sock *)sk, addr);
	u32 at;
	char first = 0;
	long n = 0;

	if (!addr) {
		append_u8(s, 0);
		return;
	}
	const char *path = (void *)addr + bpf_core_field_offset(struct unix_address, name) + 2;
	bpf_probe_read_kernel(&first, 1, path);
	at = AT(s) & REC_MASK;
	n = bpf_probe_read_kernel_str(s->rec + at, unix_path_room(BPF_CORE_READ(addr, len), first), path + (first == 0));
	AT(s) = at + (n > 0 ? (u32)n : 0);
}

/* The address that a socket is bound to, as a SOCKADDR parameter. */
static __always_inline void put_local_sockaddr(struct scratch *s, u32 i, struct sock *sk)
{
	u32 from = AT(s) & REC_MASK;
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
	u16 port = SWAP16(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));

	if (family == AF_INET) {
		append_u8(s, family);
		append_u32(s, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
		append_u16(s, port);
	} else if (family == AF_INET6) {
		append_u8(s, family);
		append_bytes(s, (void *)sk + bpf_core_field_offset(struct sock, __sk_common.skc_v6_rcv_saddr), 16);
		append_u16(s, port);
	} else if (family == AF_UNIX) {
		append_u8(s, family);
		append_unix_path(s, sk);
	}
	end_param(s, i, from);
}

/*
 * Source and destination of a socket's traffic. `name` is the peer's address as the call gave or got it (0: none):
 * it counts where the socket itself is not connected.
 */
static __always_inline void put_tuple(struct scratch *s, u32 i, struct sock *sk, enum direction direction, u64 name)
{
	u32 from = AT(s) & REC_MASK;
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	if (sk && family == AF_INET) {
		u32 local = BPF_CORE_READ((struct inet_sock *)sk, inet_saddr), remote = BPF_CORE_READ(sk, __sk_common.skc_daddr);
		u16 lport = SWAP16(BPF_CORE_READ((struct inet_sock *)sk, inet_sport)), rport = SWAP16(BPF_CORE_READ(sk, __sk_common.skc_dport));
		if (!rport && read_sockaddr(s, name) == AF_INET) {
			remote = TMP_IP4(s);
			rport = TMP_PORT(s);
		}
		append_u8(s, family);
		append_u32(s, direction == OUTBOUND ? local : remote);
		append_u16(s, direction == OUTBOUND ? lport : rport);
		append_u32(s, direction == OUTBOUND ? remote : local);
		append_u16(s, direction == OUTBOUND ? rport : lport);
	} else if (sk && family == AF_INET6) {
		void *local = (void *)sk + bpf_core_field_offset(struct sock, __sk_common.skc_v6_rcv_saddr);
		void *remote = (void *)sk + bpf_core_field_offset(struct sock, __sk_common.skc_v6_daddr);
		u16 lport = SWAP16(BPF_CORE_READ((struct inet_sock *)sk, inet_sport)), rport = SWAP16(BPF_CORE_READ(sk, __sk_common.skc_dport));
		if (!rport && read_sockaddr(s, name) == AF_INET6) {
			remote = TMP_IP6(s);
			rport = TMP_PORT(s);
		}
		append_u8(s, family);
		append_bytes(s, direction == OUTBOUND ? local : remote, 16);
		append_u16(s, direction == OUTBOUND ? lport : rport);
		append_bytes(s, direction == OUTBOUND ? remote : local, 16);
		append_u16(s, direction == OUTBOUND ? rport : lport);
	} else if (sk && family == AF_UNIX) {
		struct sock *peer = BPF_CORE_READ((struct unix_sock *)sk, peer);
		append_u8(s, family);
		append_u64(s, identity_of(direction == OUTBOUND ? sk : peer));
		append_u64(s, identity_of(direction == OUTBOUND ? peer : sk));
		if (direction == OUTBOUND && !peer && read_sockaddr(s, name) == AF_UNIX)
			append_user_unix_path(s, name);
		else
			append_unix_path(s, direction == OUTBOUND && peer ? peer : sk);
	}
	end_param(s, i, from);
}
