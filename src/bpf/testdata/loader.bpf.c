// Programs that the loader's tests load: each thing that the loader has to know, once. (What must fail is in
// failing.bpf.c.) Compiled by build.sh; the object is committed, so that the tests need no compiler.
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

// What the programs want to know of the kernel; the rest of these types is not their business.
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct qstr { __u32 len; const unsigned char *name; };
struct dentry { struct dentry *d_parent; struct qstr d_name; };
struct path { void *mnt; struct dentry *dentry; };
struct fs_struct { struct path root; };
struct signal_struct { unsigned int flags; };
struct task_struct {
	int pid, tgid;
	struct task_struct *group_leader;
	struct signal_struct *signal;
	struct fs_struct *fs;
	char comm[16];
	unsigned int in_iowait : 1;
	unsigned int sched_reset_on_fork : 1;
};
// Flavours: the same kernel type, seen in another way.
struct task_struct___nowhere { int windhover_has_no_such_field; };
struct pt_regs___x86 { unsigned long di, si, orig_ax; };
struct pt_regs___a64 { unsigned long long regs[31]; unsigned long long orig_x0; };
struct windhover_has_no_such_type { int x; };
#pragma clang attribute pop
enum pid_type { PIDTYPE_PID = 7, PIDTYPE_TGID = 8 };
enum pid_type___more { PIDTYPE_WINDHOVER = 1 };

// Set by whoever loads.
const volatile __u32 target = 0;
const volatile __u8 small = 3;
const volatile __u64 large = 1;
const volatile char text[8] = "default";

struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 64 << 10); } ring SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 16); __type(key, __u32); __type(value, __u64); } numbers SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 2); __type(key, __u32); __type(value, __u64); } counts SEC(".maps");
struct inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); };
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct inner);
} nested SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} table SEC(".maps");

// .bss: mapped by nobody, read through the map.
__u64 produced, dropped, calls;
// .data
__u64 next = 1;

struct request { __u32 count, size, discard_every; };

static __always_inline void put(__u32 size, int discard)
{
	__u64 *record = size == 256 ? bpf_ringbuf_reserve(&ring, 256, 0) : bpf_ringbuf_reserve(&ring, 96, 0);
	__u64 sequence = next++;
	if (!record) {
		dropped++;
		return;
	}
	record[0] = sequence;
	record[1] = ~sequence;
	record[11] = sequence * 3;
	if (discard) {
		bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
	} else {
		produced++;
		bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	}
}

// The producer of the transport's tests and benchmark.
SEC("syscall")
int produce(struct request *request)
{
	__u32 count = request->count, size = request->size, every = request->discard_every;
	for (__u32 i = 0; i < 512; i++) {
		if (i >= count)
			break;
		put(size, every && i % every == 0);
	}
	return produced & 0x7fffffff;
}

static __attribute__((noinline)) __u64 twice(__u64 value)
{
	return value + value + large;
}

static __attribute__((noinline)) __u64 four_times(__u64 value)
{
	return twice(value) + twice(value + 1);
}

// Functions, constants, and each kind of map.
SEC("syscall")
int compute(__u64 *context)
{
	__u32 key = (__u32)*context, zero = 0, one = 1;
	__u64 *number = bpf_map_lookup_elem(&numbers, &key);
	if (!number)
		return -1;
	__u64 *count = bpf_map_lookup_elem(&counts, &one);
	if (count)
		(*count)++;
	void *inner = bpf_map_lookup_elem(&nested, &one);
	if (inner) {
		__u64 *value = bpf_map_lookup_elem(inner, &zero);
		if (value)
			*value = four_times(*number);
	}
	return four_times(*number) + small + text[0];
}

static __always_inline unsigned long number_of(void *registers)
{
	unsigned long nr = 0;
	if (bpf_core_field_exists(struct pt_regs___x86, orig_ax))
		nr = BPF_CORE_READ((struct pt_regs___x86 *)registers, orig_ax);
	else
		nr = BPF_CORE_READ((struct pt_regs___a64 *)registers, regs[8]);
	return nr;
}

struct answers {
	__u32 tgid, bitfield, name_length, comm_size;
	__u32 pid_type, has_type, has_value, has_missing_type, has_missing_value, has_missing_field;
	__u32 task_size, field_size, is_signed;
	char comm[16];
};

// Everything that CO-RE can ask, for calls of getppid(2) by one process.
SEC("raw_tp/sys_exit")
int ask(__u64 *context)
{
	if (bpf_get_current_pid_tgid() >> 32 != target)
		return 0;
	unsigned long nr = number_of((void *)context[0]);
	if (nr != 110 && nr != 173)
		return 0;
	struct answers *out = bpf_ringbuf_reserve(&ring, sizeof(*out), 0);
	if (!out) {
		dropped++;
		return 0;
	}
	struct task_struct *task = (void *)bpf_get_current_task();
	out->tgid = BPF_CORE_READ(task, group_leader, tgid);
	out->bitfield = BPF_CORE_READ_BITFIELD_PROBED(task, in_iowait) + 2 * BPF_CORE_READ_BITFIELD_PROBED(task, sched_reset_on_fork);
	out->name_length = BPF_CORE_READ(task, fs, root.dentry, d_name.len);
	out->comm_size = bpf_core_field_size(task->comm);
	out->pid_type = bpf_core_enum_value(enum pid_type, PIDTYPE_TGID);
	out->has_type = bpf_core_type_exists(struct dentry);
	out->has_missing_type = bpf_core_type_exists(struct windhover_has_no_such_type);
	out->has_value = bpf_core_enum_value_exists(enum pid_type, PIDTYPE_PID);
	out->has_missing_value = bpf_core_enum_value_exists(enum pid_type___more, PIDTYPE_WINDHOVER);
	out->has_missing_field = bpf_core_field_exists(struct task_struct___nowhere, windhover_has_no_such_field);
	out->task_size = bpf_core_type_size(struct task_struct) > sizeof(struct task_struct);
	out->field_size = bpf_core_field_size(task->signal->flags);
	out->is_signed = __builtin_preserve_field_info(task->tgid, BPF_FIELD_SIGNED);
	bpf_get_current_comm(out->comm, sizeof(out->comm));
	bpf_ringbuf_submit(out, BPF_RB_NO_WAKEUP);
	produced++;
	bpf_tail_call(context, &table, 0);
	return 0;
}

// Attached nowhere: called through the table.
SEC("raw_tp")
int called(void *context)
{
	calls++;
	return 0;
}

enum special_kfunc_type { KF_bpf_rdonly_cast };
extern void *bpf_rdonly_cast(const void *pointer, __u32 type) __ksym;

// Direct loads of typed pointers: the instruction's width is the field's.
SEC("tp_btf/sched_process_fork")
int typed(__u64 *context)
{
	struct task_struct *parent = (void *)context[0];
	if (bpf_core_enum_value_exists(enum special_kfunc_type, KF_bpf_rdonly_cast))
		parent = bpf_rdonly_cast(parent, bpf_core_type_id_kernel(struct task_struct));
	if (parent->tgid == target && parent->group_leader->pid == target)
		__sync_fetch_and_add(&next, 1);
	return 0;
}
