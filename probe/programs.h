/*
 * Of which programs a rule wants opens whatever their path, by the program's name or path. That is decided where a
 * process gets what the rules compare: the name at exec, birth and prctl, the path at exec. The answer is kept with the
 * process (struct fd_table), so that an open looks at one word. A process has it as soon as one of its threads ever had
 * the name, up to its next exec. Names that are written to /proc/PID/comm count as little here as in user space.
 *
 * Of a process that the present filter has not seen start its program nothing is decided: its thread's name is compared
 * at each open, and where paths are asked for, its opens are all wanted.
 */
#pragma once

enum { PROGRAM_WANTED = 1, PROGRAM_DECIDED = 2, PROGRAM_BITS = 3 };

/* Multiplicative hashing; src/source/open-filter.ts computes the same. */
#define TAIL_HASH(word) (((word) * 0x9e3779b97f4a7c15ULL) >> 48)

static __always_inline int bit_of(const u64 *bits, u64 index)
{
	return (bits[(index >> 6) & (BITS_16 - 1)] >> (index & 63)) & 1;
}

/* The filter, when it asks for programs; 0 otherwise. */
static __always_inline struct open_filter *program_filter(void)
{
	u32 key = 0;
	struct open_filter *filter = bpf_map_lookup_elem(&open_filter, &key);

	return filter && filter->enabled && (filter->comms || filter->programs) ? filter : 0;
}

/* True when the name, zeros behind it, is one of the filter's. */
static __always_inline int is_name_wanted(struct open_filter *filter, struct open_comm *comm)
{
	return filter->comms && bit_of(filter->comm, TAIL_HASH(*(u64 *)comm)) && bpf_map_lookup_elem(&open_comms, comm);
}

/* The beginning of the path in s->path as the key of a trie; 0: not to be had. */
static __always_inline struct open_prefix *prefix_key(struct scratch *s)
{
	u32 from = PATH_AT(s) & PATH_MASK;
	u32 n = PATH_MASK - from;

	if (n > OPEN_PREFIX)
		n = OPEN_PREFIX;
	if (bpf_probe_read_kernel(s->prefix.text, n, s->path + from))
		return 0;
	s->prefix.bits = 8 * n;
	return &s->prefix;
}

static __always_inline int is_path_wanted(struct scratch *s)
{
	struct open_prefix *key = prefix_key(s);

	return !key || bpf_map_lookup_elem(&open_programs, key);
}

/* What is decided of the process under this filter: PROGRAM_*. */
static __always_inline u32 decided(u32 epoch, struct fd_table *table)
{
	u32 class = table->program - epoch;

	return class <= PROGRAM_BITS ? class : 0;
}

static __always_inline void add_wanted(struct open_filter *filter, struct fd_table *table)
{
	u32 epoch = filter->epoch;

	table->program = epoch + (decided(epoch, table) | PROGRAM_WANTED);
}

/* The current process has a new program, whose path is in s->path. */
static __always_inline void program_started(struct scratch *s)
{
	struct open_filter *filter = program_filter();
	struct open_comm comm = {};
	struct fd_table *table;
	u32 epoch, class = PROGRAM_DECIDED;

	if (!filter)
		return;
	/* First: a filter that is replaced meanwhile takes the answer for that of another. */
	epoch = *(volatile u32 *)&filter->epoch;
	table = fd_table_of(current_tgid());
	if (!table)
		return;
	bpf_get_current_comm(&comm, sizeof(comm));
	if (is_name_wanted(filter, &comm) || (filter->programs && is_path_wanted(s)))
		class |= PROGRAM_WANTED;
	table->program = epoch + class;
}

/*
 * A process or thread is born; what its process has of its parent it already has. User space takes its name from it and
 * its path from its parent, which after CLONE_PARENT is not the process that made it.
 */
static __always_inline void program_born(struct task_struct *parent, struct task_struct *child)
{
	struct open_filter *filter = program_filter();
	struct open_comm comm = {};
	struct fd_table *table;
	u32 maker, tgid;

	if (!filter)
		return;
	maker = BPF_CORE_READ(parent, tgid);
	tgid = BPF_CORE_READ(child, tgid);
	table = bpf_map_lookup_elem(&fd_tables, &tgid);
	if (!table)
		return;
	bpf_probe_read_kernel_str(&comm, sizeof(comm), (void *)child + bpf_core_field_offset(struct task_struct, comm));
	if (is_name_wanted(filter, &comm) ||
	    (filter->programs && tgid != maker && BPF_CORE_READ(child, real_parent) != parent))
		add_wanted(filter, table);
}

/* The current thread has the name that stands in `rec` from `at` to the end; user space takes all of it, however long. */
static __always_inline void program_renamed(struct scratch *s, u32 at)
{
	struct open_filter *filter = program_filter();
	struct open_comm comm = {};
	struct fd_table *table;

	if (!filter || !filter->comms)
		return;
	bpf_probe_read_kernel_str(&comm, sizeof(comm), s->rec + (at & REC_MASK));
	if (AT(s) - at <= sizeof(comm) && !is_name_wanted(filter, &comm))
		return;
	table = fd_table_of(current_tgid());
	if (table)
		add_wanted(filter, table);
}

/* Whether the current process's program is one of which opens are wanted. */
static __always_inline int is_program_wanted(struct open_filter *filter, struct fd_table *table)
{
	struct open_comm comm = {};
	u32 class = decided(filter->epoch, table);

	if (class)
		return class != PROGRAM_DECIDED;
	if (filter->programs)
		return 1;
	if (!filter->comms)
		return 0;
	bpf_get_current_comm(&comm, sizeof(comm));
	return is_name_wanted(filter, &comm);
}
