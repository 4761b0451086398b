// Programs that cannot be loaded or attached, each for a reason of its own.
// Compiled by build.sh; the object is committed, so that the tests need no compiler.
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

struct task_struct___nowhere { int windhover_has_no_such_field; } __attribute__((preserve_access_index));
struct task_struct___wide { long tgid; } __attribute__((preserve_access_index));

// Guards the read of a field that no kernel has: loads while it is 0.
const volatile __u32 insist = 0;

SEC("raw_tp/windhover_has_no_such_tracepoint")
int absent(void *context)
{
	return 0;
}

SEC("tp_btf/windhover_has_no_such_tracepoint")
int absent_typed(void *context)
{
	return 0;
}

// Needs a field that no kernel has.
SEC("raw_tp/sched_process_exit")
int impossible(void *context)
{
	struct task_struct___nowhere *task = (void *)bpf_get_current_task();
	return insist ? BPF_CORE_READ(task, windhover_has_no_such_field) : 0;
}

extern int windhover_has_no_such_function(int number) __ksym;

// Needs a function that no kernel has.
SEC("raw_tp/sched_process_exit")
int uncallable(void *context)
{
	return insist ? windhover_has_no_such_function(1) : 0;
}

// Rejected by every verifier: a raw tracepoint has no argument so far out.
SEC("raw_tp/sched_process_exec")
int rejected(__u64 *context)
{
	return *(volatile __u32 *)((char *)context + (1 << 14));
}

// Reads a signed int where it believes a long to be.
SEC("tp_btf/sched_process_exit")
int wrong_size(__u64 *context)
{
	struct task_struct___wide *task = (void *)context[0];
	return task->tgid != 0;
}
