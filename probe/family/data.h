/*
 * What is read, written, sent and received: the first bytes of the buffers (c_snaplen), sizes, and peers.
 */
#pragma once

#define IOVECS 8
#define MESSAGES 4

/* struct iovec number `i` of the caller. */
static __always_inline u64 read_iovec(u64 iov, u32 i, u32 compat, u64 *base)
{
	u64 pair[2] = {};
	u32 half[2] = {};

	if (compat) {
		bpf_probe_read_user(half, sizeof(half), (void *)(iov + 8 * i));
		*base = half[0];
		return half[1];
	}
	bpf_probe_read_user(pair, sizeof(pair), (void *)(iov + 16 * i));
	*base = pair[0];
	return pair[1];
}

/*
 * Loops over vectors keep what they carry from turn to turn in s->tmp: in registers every combination of outcomes
 * would be a state of its own for the verifier.
 */
#define IOV_LEFT(s) (*(volatile u64 *)&(s)->tmp[4])
#define IOV_PART(s) (*(volatile u64 *)&(s)->tmp[5])
#define IOV_COUNT(s) (*(volatile u64 *)&(s)->tmp[6])
#define MESSAGE_COUNT(s) (*(volatile u64 *)&(s)->tmp[7])

/* The sum of the lengths of the first vectors. */
static __always_inline u32 iov_size(struct scratch *s, u64 iov, u64 count)
{
	u64 base;

	IOV_LEFT(s) = 0;
	IOV_COUNT(s) = count;
	for (u32 i = 0; i < IOVECS; i++) {
		if (i >= IOV_COUNT(s))
			break;
		IOV_LEFT(s) += read_iovec(iov, i, s->compat, &base);
	}
	return IOV_LEFT(s);
}

static __always_inline u32 snaplen(void)
{
	u64 n = c_snaplen;

	BOUND(n, PATH_MASK);
	return n;
}

/* The first bytes of a vector as a parameter; `n` is how many bytes it holds. */
static __always_inline void put_iov(struct scratch *s, u32 i, u64 iov, u64 count, u64 n)
{
	u32 from = AT(s) & REC_MASK;

	IOV_LEFT(s) = n > snaplen() ? snaplen() : n;
	IOV_COUNT(s) = count;
	for (u32 k = 0; k < IOVECS; k++) {
		u64 base = 0, length;
		u32 at = AT(s) & REC_MASK;

		if (k >= IOV_COUNT(s) || !IOV_LEFT(s))
			break;
		length = read_iovec(iov, k, s->compat, &base);
		IOV_PART(s) = length > IOV_LEFT(s) ? IOV_LEFT(s) : length;
		length = IOV_PART(s);
		BOUND(length, PATH_MASK);
		if (bpf_probe_read_user(s->rec + at, length, (void *)base)) {
			FLAGS(s) |= WH_NOT_PRESENT;
			break;
		}
		IOV_LEFT(s) -= IOV_PART(s);
		AT(s) = at + (u32)IOV_PART(s);
	}
	end_param(s, i, from);
}

static __always_inline void put_data(struct scratch *s, u32 i, u64 pointer, u64 n)
{
	put_user_bytes(s, i, pointer, n > snaplen() ? snaplen() : n, PATH_MASK);
}

/* The caller's struct msghdr (user_msghdr, or compat_msghdr of a 32-bit caller). */
struct message {
	u64 name, iov, count, control, control_length;
};

static __always_inline void read_message(struct scratch *s, struct message *message, u64 pointer)
{
	u64 wide[6] = {};
	u32 half[6] = {};

	if (s->compat) {
		bpf_probe_read_user(half, sizeof(half), (void *)pointer);
		message->name = half[0];
		s->name_length = half[1];
		message->iov = half[2];
		message->count = half[3];
		message->control = half[4];
		message->control_length = half[5];
		return;
	}
	bpf_probe_read_user(wide, sizeof(wide), (void *)pointer);
	message->name = wide[0];
	s->name_length = wide[1];
	message->iov = wide[2];
	message->count = wide[3];
	message->control = wide[4];
	message->control_length = wide[5];
}

static __always_inline u64 transferred(s64 ret, u64 size)
{
	return ret > 0 ? ret : ret < 0 ? size : 0;
}

/* read, pread, recv: nothing is there after a failure. */
static __always_inline u64 received(s64 ret)
{
	return ret > 0 ? ret : 0;
}

/* The parameters of one received message, behind the result. */
static __always_inline void message_in(struct scratch *s, u64 pointer, struct sock *sk, int many)
{
	struct message m;
	u64 got = received(s->ret);

	read_message(s, &m, pointer);
	if (many) {
		put_int(s, 1, s->arg[0]);
		put_u32(s, 2, got);
		put_iov(s, 3, m.iov, m.count, got);
		put_tuple(s, 4, s->ret >= 0 ? sk : 0, INBOUND, m.name);
		put_user_bytes(s, 5, m.control, s->ret >= 0 ? m.control_length : 0, 1024);
		return;
	}
	put_u32(s, 1, got);
	put_iov(s, 2, m.iov, m.count, got);
	put_tuple(s, 3, s->ret >= 0 ? sk : 0, INBOUND, m.name);
	put_user_bytes(s, 4, m.control, s->ret >= 0 ? m.control_length : 0, 1024);
	put_int(s, 5, s->arg[0]);
}

/* The parameters of one sent message, behind the result. */
static __always_inline void message_out(struct scratch *s, u64 pointer, struct sock *sk, int many)
{
	struct message m;

	read_message(s, &m, pointer);
	u32 size = iov_size(s, m.iov, m.count);
	if (many) {
		put_int(s, 1, s->arg[0]);
		put_u32(s, 2, size);
		put_iov(s, 3, m.iov, m.count, transferred(s->ret, size));
		put_tuple(s, 4, sk, OUTBOUND, m.name);
		return;
	}
	put_iov(s, 1, m.iov, m.count, transferred(s->ret, size));
	put_int(s, 2, s->arg[0]);
	put_u32(s, 3, size);
	put_tuple(s, 4, sk, OUTBOUND, m.name);
}

/* sendmmsg, recvmmsg: one event for each message that went through, or one for the failure. */
static __always_inline void messages_event(struct scratch *s, int out)
{
	struct sock *sk = sock_of(file_of(s->arg[0]));
	u32 stride = s->compat ? 32 : 64, bytes_at = s->compat ? 28 : 56;
	s64 count = s->ret;

	MESSAGE_COUNT(s) = count > 0 ? count : 1;
	for (u32 i = 0; i < MESSAGES; i++) {
		u64 pointer = s->arg[1] + stride * i;
		u32 bytes = 0;

		if (i >= MESSAGE_COUNT(s))
			break;
		if (count > 0) {
			bpf_probe_read_user(&bytes, sizeof(bytes), (void *)(pointer + bytes_at));
			s->ret = bytes;
		}
		begin_call(s, EXTRA_FLAGS);
		put_res(s);
		if (out)
			message_out(s, pointer, sk, 1);
		else
			message_in(s, pointer, sk, 1);
		finish_call(s);
	}
}

static __always_inline void data_event(struct scratch *s)
{
	struct sock *sk;
	u32 size;

	if (s->type == EV_SOCKET_RECVMMSG_X || s->type == EV_SOCKET_SENDMMSG_X) {
		messages_event(s, s->type == EV_SOCKET_SENDMMSG_X);
		return;
	}
	begin_call(s, EXTRA_FLAGS);
	put_res(s);
	switch (s->type) {
	case EV_SYSCALL_READ_X:
		put_data(s, 1, s->arg[1], received(s->ret));
		put_int(s, 2, s->arg[0]);
		put_u32(s, 3, s->arg[2]);
		break;
	case EV_SYSCALL_WRITE_X:
		put_data(s, 1, s->arg[1], transferred(s->ret, s->arg[2]));
		put_int(s, 2, s->arg[0]);
		put_u32(s, 3, s->arg[2]);
		break;
	case EV_SYSCALL_PREAD_X:
		put_data(s, 1, s->arg[1], received(s->ret));
		put_int(s, 2, s->arg[0]);
		put_u32(s, 3, s->arg[2]);
		put_u64(s, 4, s->compat ? s->arg[3] | s->arg[4] << 32 : s->arg[3]);
		break;
	case EV_SYSCALL_PWRITE_X:
		put_data(s, 1, s->arg[1], transferred(s->ret, s->arg[2]));
		put_int(s, 2, s->arg[0]);
		put_u32(s, 3, s->arg[2]);
		put_u64(s, 4, s->compat ? s->arg[3] | s->arg[4] << 32 : s->arg[3]);
		break;
	case EV_SYSCALL_READV_X:
		put_u32(s, 1, received(s->ret));
		put_iov(s, 2, s->arg[1], s->arg[2], received(s->ret));
		put_int(s, 3, s->arg[0]);
		break;
	case EV_SYSCALL_WRITEV_X:
		size = iov_size(s, s->arg[1], s->arg[2]);
		put_iov(s, 1, s->arg[1], s->arg[2], transferred(s->ret, size));
		put_int(s, 2, s->arg[0]);
		put_u32(s, 3, size);
		break;
	case EV_SYSCALL_PREADV_X:
		put_u32(s, 1, received(s->ret));
		put_iov(s, 2, s->arg[1], s->arg[2], received(s->ret));
		put_int(s, 3, s->arg[0]);
		put_u64(s, 4, s->compat ? s->arg[3] | s->arg[4] << 32 : s->arg[3]);
		break;
	case EV_SYSCALL_PWRITEV_X:
		size = iov_size(s, s->arg[1], s->arg[2]);
		put_iov(s, 1, s->arg[1], s->arg[2], transferred(s->ret, size));
		put_int(s, 2, s->arg[0]);
		put_u32(s, 3, size);
		put_u64(s, 4, s->compat ? s->arg[3] | s->arg[4] << 32 : s->arg[3]);
		break;
	case EV_SOCKET_SEND_X:
	case EV_SOCKET_SENDTO_X:
		sk = sock_of(file_of(s->arg[0]));
		s->name_length = s->arg[5];
		put_data(s, 1, s->arg[1], transferred(s->ret, s->arg[2]));
		put_int(s, 2, s->arg[0]);
		put_u32(s, 3, s->arg[2]);
		put_tuple(s, 4, sk, OUTBOUND, s->type == EV_SOCKET_SENDTO_X ? s->arg[4] : 0);
		break;
	case EV_SOCKET_RECV_X:
		sk = sock_of(file_of(s->arg[0]));
		put_data(s, 1, s->arg[1], received(s->ret));
		put_int(s, 2, s->arg[0]);
		put_u32(s, 3, s->arg[2]);
		put_tuple(s, 4, s->ret >= 0 ? sk : 0, INBOUND, 0);
		break;
	case EV_SOCKET_RECVFROM_X:
		sk = sock_of(file_of(s->arg[0]));
		s->name_length = user_u32(s->arg[5]);
		put_data(s, 1, s->arg[1], received(s->ret));
		put_tuple(s, 2, s->ret >= 0 ? sk : 0, INBOUND, s->arg[4]);
		put_int(s, 3, s->arg[0]);
		put_u32(s, 4, s->arg[2]);
		break;
	case EV_SOCKET_RECVMSG_X:
		message_in(s, s->arg[1], sock_of(file_of(s->arg[0])), 0);
		break;
	case EV_SOCKET_SENDMSG_X:
		message_out(s, s->arg[1], sock_of(file_of(s->arg[0])), 0);
		break;
	case EV_SYSCALL_PROCESS_VM_READV_X:
	case EV_SYSCALL_PROCESS_VM_WRITEV_X:
		put_int(s, 1, s->arg[0]);
		put_iov(s, 2, s->arg[1], s->arg[2], received(s->ret));
		break;
	}	finish_call(s);
}
