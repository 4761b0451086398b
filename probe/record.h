/*
 * Building one event: begin(), the parameters in the order of the table, the extra ones, finish().
 *
 * A ring record is `u16 cpu, u16 0, u32 lost`, then the scap event: `u64 ts, u64 tid, u32 len, u16 type,
 * u32 nparams, u16 lens[nparams], data`. `lost` counts the events that this CPU lost right before this one.
 *
 * The write position lives in map memory and is masked at every use: kept in a register it would make the
 * verifier explore every length of every string.
 */
#pragma once

/* wh.flags, the first parameter after the table's. */
enum {
	WH_RESOLVED = 1 << 0,	 /* wh.path is the kernel's own name of the object */
	WH_DELETED = 1 << 1,	 /* the file has no name any more */
	WH_MEMFD = 1 << 2,
	WH_TRUNCATED = 1 << 3,	 /* some parameter was cut */
	WH_COMPAT = 1 << 4,	 /* 32-bit system call */
	WH_URING = 1 << 5,	 /* through io_uring */
	WH_MISMATCH = 1 << 6,	 /* what the caller's memory says is not what the kernel used */
	WH_UNTRUSTED = 1 << 7,	 /* only the caller's memory was to be had */
	WH_NOT_PRESENT = 1 << 8, /* a page of the caller's memory was not there */
	WH_DIRECTORY = 1 << 9,	 /* the descriptor's file was opened as a directory */
};

#define REC_MASK (REC_SIZE - 1)
#define PATH_MASK (PATH_SIZE - 1)
#define HEADER 26
#define AT(s) (*(volatile u32 *)&(s)->at)
#define FLAGS(s) (*(volatile u32 *)&(s)->flags)
#define LENS (PREFIX + HEADER)
#define BOUND(x, mask) asm volatile("%0 &= %1" : "+r"(x) : "i"(mask))

/* How many parameters follow the table's. */
enum { EXTRA_NONE = 0, EXTRA_FLAGS = 1, EXTRA_PATH = 2, EXTRA_FILE = 4 };

static __always_inline void set_len(struct scratch *s, u32 i, u16 len)
{
	*(u16 *)(s->rec + LENS + 2 * i) = len;
}

static __always_inline struct scratch *scratch_of(u32 slot)
{
	u32 key = bpf_get_smp_processor_id() * SLOTS + slot;
	return bpf_map_lookup_elem(&scratch, &key);
}

static __always_inline struct counters *counters_of(void)
{
	u32 key = 0;
	return bpf_map_lookup_elem(&counters, &key);
}

/* Writes the header. Events whose only extra parameter is wh.flags carry it when it says something. */
static __always_inline void begin_for(struct scratch *s, u32 type, u32 nparams, u32 extra, u32 tid)
{
	if (extra == EXTRA_NONE && s->flags)
		extra = EXTRA_FLAGS;
	nparams += extra;
	*(u64 *)(s->rec + 0) = (u16)bpf_get_smp_processor_id();
	*(u64 *)(s->rec + PREFIX) = bpf_ktime_get_boot_ns() + c_epoch;
	*(u64 *)(s->rec + PREFIX + 8) = tid;
	*(u16 *)(s->rec + PREFIX + 20) = type;
	*(u16 *)(s->rec + PREFIX + 22) = nparams;
	*(u16 *)(s->rec + PREFIX + 24) = 0;
	AT(s) = LENS + 2 * nparams;
}

static __always_inline void begin(struct scratch *s, u32 type, u32 nparams, u32 extra)
{
	begin_for(s, type, nparams, extra, (u32)bpf_get_current_pid_tgid());
}

#define PUT(name, T)                                                            \
	static __always_inline void put_##name(struct scratch *s, u32 i, T value) \
	{                                                                       \
		u32 at = AT(s) & REC_MASK;                                      \
		*(T *)(s->rec + at) = value;                                    \
		set_len(s, i, sizeof(T));                                       \
		AT(s) = at + sizeof(T);                                         \
	}
PUT(u8, u8)
PUT(u16, u16)
PUT(u32, u32)
PUT(u64, u64)

static __always_inline void put_s64(struct scratch *s, u32 i, s64 value)
{
	put_u64(s, i, value);
}

/* A file descriptor or pid as the caller gave it: 32 bits, sign extended. */
static __always_inline void put_int(struct scratch *s, u32 i, u64 arg)
{
	put_u64(s, i, (s64)(s32)arg);
}

static __always_inline void put_empty(struct scratch *s, u32 i)
{
	set_len(s, i, 0);
}

static __always_inline void put_res(struct scratch *s)
{
	put_u64(s, 0, s->ret);
}

/* As bpf_probe_read_user_str; before 6.13 that takes an empty string for 0 bytes, without its NUL. */
static __always_inline long read_user_str(u8 *to, u32 size, u64 pointer)
{
	long n = bpf_probe_read_user_str(to, size, (void *)pointer);

	if (n == 0) {
		*to = 0;
		n = 1;
	}
	return n;
}

/* A string of the caller's, NUL included; empty for NULL and where the page is not present. */
static __always_inline void put_user_str(struct scratch *s, u32 i, u64 pointer)
{
	u32 at = AT(s) & REC_MASK;
	long n = read_user_str(s->rec + at, PATH_SIZE, pointer);
	if (n < 0) {
		if (pointer)
			FLAGS(s) |= WH_NOT_PRESENT;
		n = 0;
	} else if (n == PATH_SIZE) {
		FLAGS(s) |= WH_TRUNCATED;
	}
	set_len(s, i, n);
	AT(s) = at + (u32)n;
}

static __always_inline void put_kernel_str(struct scratch *s, u32 i, const void *pointer)
{
	u32 at = AT(s) & REC_MASK;
	long n = bpf_probe_read_kernel_str(s->rec + at, PATH_SIZE, pointer);
	if (n < 0)
		n = 0;
	set_len(s, i, n);
	AT(s) = at + (u32)n;
}

/* `n` bytes of the caller's memory, at most `limit` (below PATH_SIZE, a constant). */
static __always_inline void put_user_bytes(struct scratch *s, u32 i, u64 pointer, u64 n, u32 limit)
{
	u32 at = AT(s) & REC_MASK;
	if (n > limit)
		n = limit;
	BOUND(n, PATH_MASK);
	if (!pointer || bpf_probe_read_user(s->rec + at, n, (void *)pointer)) {
		if (pointer && n)
			FLAGS(s) |= WH_NOT_PRESENT;
		n = 0;
	}
	set_len(s, i, n);
	AT(s) = at + (u32)n;
}

/* Appends what text_* left in s->path, NUL included, to the parameter being written; the bytes appended. */
static __always_inline u32 append_path(struct scratch *s)
{
	u32 at = AT(s) & REC_MASK;
	u32 from = *(volatile u32 *)&s->path_at & PATH_MASK;
	u64 n = from ? PATH_SIZE - from : 0;

	BOUND(n, PATH_MASK);
	if (bpf_probe_read_kernel(s->rec + at, n, s->path + from))
		n = 0;
	AT(s) = at + (u32)n;
	return n;
}

/* The same as a parameter; empty when there is no text. */
static __always_inline void put_path(struct scratch *s, u32 i)
{
	set_len(s, i, append_path(s));
}

/* The extra parameters behind `nparams` of the table's: flags must be complete by now. */
static __always_inline void put_flags(struct scratch *s, u32 nparams)
{
	put_u32(s, nparams, FLAGS(s));
}

/* Writes the first `n` bytes of the record into this CPU's ring; not 0 when there is no room. */
static __always_inline long output(struct scratch *s, u64 n)
{
	u32 number;
	void *own;

	if (!c_cpus_per_ring)
		return bpf_ringbuf_output(&ring, s->rec, n, BPF_RB_NO_WAKEUP);
	number = bpf_get_smp_processor_id() / c_cpus_per_ring;
	own = bpf_map_lookup_elem(&rings, &number);
	return own ? bpf_ringbuf_output(own, s->rec, n, BPF_RB_NO_WAKEUP) : -1;
}

static __always_inline void finish(struct scratch *s)
{
	struct counters *count = counters_of();
	u64 n = AT(s);
	if (!count)
		return;
	BOUND(n, REC_MASK);
	*(u32 *)(s->rec + PREFIX + 16) = (u32)n - PREFIX;
	*(u32 *)(s->rec + 4) = s->lost;
	count->produced++;
	if (output(s, n)) {
		count->dropped[s->class & (CLASSES - 1)]++;
		s->lost++;
	} else {
		s->lost = 0;
	}
}

/* How many parameters the table gives the event being built; bounded for use as an index. */
#define NPARAMS(s) (*(volatile u32 *)&(s)->nparams & 31)

/* Set by whoever chooses it case by case; read back from memory, so that all cases meet again. */
#define EXTRA(s) (*(volatile u32 *)&(s)->extra)

/* Starts the event that the entry of this system call names. */
static __always_inline void begin_call(struct scratch *s, u32 extra)
{
	begin(s, s->type, NPARAMS(s), extra);
}

/* Ends an event that has wh.flags alone behind the table's parameters, or only if it says something. */
static __always_inline void finish_call(struct scratch *s)
{
	u32 nparams = NPARAMS(s);

	if (*(volatile u16 *)(s->rec + PREFIX + 22) > nparams)
		put_flags(s, nparams);
	finish(s);
}
