/*
 * Which descriptors user space knows of. It is told of what makes and ends them, but not of opens that no rule can want;
 * the tables here say which ones that were, so that what is done to them later can be left out, too, or be told with
 * the path of the file. In doubt a descriptor counts as known: then its calls are reported, which costs only time.
 */
#pragma once

#define CLONE_FILES 0x400
#define CLOSE_RANGE_UNSHARE 2

/* The table of the current process; 0 when there is no room for one. A new one takes everything for known. */
static __always_inline struct fd_table *fd_table_of(u32 tgid)
{
	struct fd_table *table = bpf_map_lookup_elem(&fd_tables, &tgid);
	struct fd_table fresh = {};

	if (table)
		return table;
	bpf_map_update_elem(&fd_tables, &tgid, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&fd_tables, &tgid);
}

static __always_inline u32 current_tgid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

static __always_inline int fd_unknown(struct fd_table *table, u64 fd)
{
	u64 index = (u32)fd;

	if (!table || table->shared || index >= FDS)
		return 0;
	return table->unknown[index & (FDS - 1)];
}

static __always_inline void fd_mark(struct fd_table *table, u64 fd, u8 unknown)
{
	u64 index = (u32)fd;

	if (table && index < FDS)
		table->unknown[index & (FDS - 1)] = unknown;
}

/* True when the current process has a table, and user space knows nothing of the descriptor. */
static __always_inline int is_unknown(u64 fd)
{
	u32 tgid = current_tgid();

	return fd_unknown(bpf_map_lookup_elem(&fd_tables, &tgid), fd);
}

#define F_DUPFD 0
#define F_SETFD 2
#define F_DUPFD_CLOEXEC 1030

/* Whether an fcntl can change what user space keeps of descriptors. */
static __always_inline int fcntl_matters(u64 command)
{
	return (u32)command == F_DUPFD || (u32)command == F_SETFD || (u32)command == F_DUPFD_CLOEXEC;
}

/* True when a quiet call tells user space nothing, which can be said before anything else is looked at. */
static __always_inline int changes_nothing(struct entry *entry, const u64 *arg)
{
	if (entry->fds == FDS_FCNTL && !fcntl_matters(arg[1]))
		return entry->quiet == QUIET_STATE || is_unknown(arg[0]);
	return entry->fds == FDS_CLOSES && is_unknown(arg[0]);
}

/* The call made two descriptors. */
static __always_inline void fds_made(const s32 *fds)
{
	u32 tgid = current_tgid();
	struct fd_table *table = bpf_map_lookup_elem(&fd_tables, &tgid);

	fd_mark(table, fds[0], 0);
	fd_mark(table, fds[1], 0);
}

/* The current process's descriptors can be changed by calls that are not seen as its own. */
static __always_inline void fds_shared(void)
{
	struct fd_table *table = fd_table_of(current_tgid());

	if (table)
		table->shared = 1;
}

/* A child has its parent's descriptors, or, where both go on with one table, neither is followed. */
static __always_inline void fds_inherit(struct task_struct *parent, struct task_struct *child)
{
	u32 from = BPF_CORE_READ(parent, tgid), to = BPF_CORE_READ(child, tgid);
	struct fd_table *table = bpf_map_lookup_elem(&fd_tables, &from);
	int same = BPF_CORE_READ(parent, files) == BPF_CORE_READ(child, files);

	if (!table)
		return;
	if (same != (from == to))
		table->shared = 1;
	if (from != to)
		bpf_map_update_elem(&fd_tables, &to, table, BPF_ANY);
}

static __always_inline void fds_leave(struct task_struct *task)
{
	u32 tgid = BPF_CORE_READ(task, tgid);

	if (BPF_CORE_READ(task, signal, live.counter) == 0)
		bpf_map_delete_elem(&fd_tables, &tgid);
}

/*
 * What a call does to the tables; 0: it need not be reported. Sets `carries` of the event when its descriptor is one
 * that user space does not know.
 */
static __always_inline int fds_follow(struct entry *entry, const u64 *arg, s64 ret, u32 *carries)
{
	u32 tgid = current_tgid();
	struct fd_table *table = entry->fds == FDS_CLOSES || entry->fds == FDS_SHARES ? fd_table_of(tgid) : bpf_map_lookup_elem(&fd_tables, &tgid);
	int unknown;

	switch (entry->fds) {
	case FDS_RETURNS:
		if (ret >= 0)
			fd_mark(table, ret, 0);
		return 1;
	case FDS_CLOSES:
		unknown = fd_unknown(table, arg[0]);
		*carries = unknown;
		if (ret == 0)
			fd_mark(table, arg[0], 1);
		return !unknown || !entry->quiet;
	case FDS_FCNTL:
		if ((u32)arg[1] != F_DUPFD && (u32)arg[1] != F_DUPFD_CLOEXEC) {
			*carries = fd_unknown(table, arg[0]);
			return !*carries || !entry->quiet;
		}
		/* fallthrough */
	case FDS_DUPLICATES:
		unknown = fd_unknown(table, arg[0]);
		*carries = unknown;
		if (entry->quiet && unknown && (ret < 0 || (ret > 2 && fd_unknown(table, ret))))
			return 0;
		/* The standard streams of programs to come are always known. */
		if (ret >= 0)
			fd_mark(table, ret, 0);
		return 1;
	case FDS_USES_FIFTH:
		*carries = fd_unknown(table, arg[4]);
		return 1;
	case FDS_SHARES:
		if (table && (entry->type == EV_SYSCALL_UNSHARE_X ? arg[0] & CLONE_FILES :
			      entry->type == EV_SYSCALL_CLOSE_RANGE_X ? arg[2] & CLOSE_RANGE_UNSHARE : 1))
			table->shared = 1;
		return 1;
	}
	return 1;
}
