// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mirror: an interval subscription with a page table of its own.
 *
 * The page table is an xarray of chunks. A chunk is a table of CHUNK_PAGES words,
 * one for each page: its number, and MMUN_TEST_PAGE_VALID, _WRITE and _YOUNG.
 *
 * - Chunks come in fault paths only, and go when the mirror has been detached:
 *   nobody is in a section then, and no callback runs. So whoever found a chunk
 *   may use it, and callbacks find chunks without a lock (RCU is all that the
 *   xarray needs) and never change the xarray, which has a lock that sleeps on
 *   PREEMPT_RT.
 *
 * - The words are under test_sub.lock, a raw spinlock, the driver's lock of the
 *   collision-retry protocol: set_seq is called under it, and read_retry too,
 *   and held until the words are in the table.
 *
 * The lock is held for one chunk at a time, in callbacks too. An invalidation
 * thus is not one critical section, but set_seq is in the first one, and that is
 * enough. Take the fill that stores a word of the range, and the moment of its
 * read_begin. Was that before the range was counted as in flight, its seq is
 * older than the one that was set: if the words are stored before set_seq, the
 * tearing, which is later, finds them; if after, read_retry stops them. Was it
 * later, read_begin waited until the range had ended, and what is stored is
 * what the page tables have become. In neither case a word appears behind the
 * back of a callback that is through with its chunk. The same holds for a second
 * pass that does the tearing long after the first one did set_seq.
 *
 * A word that is valid under the lock stands for a page that may be touched under
 * the lock: a page of the process is not given back before every callback for
 * its range has returned, and the callback takes the lock to clear the word. No
 * reference to the page is needed, nor to the address space. It is the promise
 * that a real device relies on; who breaks it on purpose (MMUN_TEST_KNOB_DEAF)
 * is kept from copying.
 *
 * Locks, from the outside: test_sub.reading, the mm's mmap lock, what faults take
 * and callbacks come with, test_sub.lock. The copies to and from the caller, who
 * may be the process that is mirrored, and mmput() are done outside of all.
 */

#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/hmm.h>
#include <linux/magic.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/page-flags.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mirror.h"

#define CHUNK_PAGES	512ul

struct chunk {
	u64 word[CHUNK_PAGES];
};

struct test_mirror {
	struct test_sub *sub;
	u64 start;			/* bytes */
	u64 length;
	struct xarray chunks;
	atomic_t tables;		/* chunks in it */
	struct mmun_notifier young;
	bool inserted;			/* what mirror_detach() has to undo */
	bool registered;

	/* under test_sub.lock */
	bool released;			/* the mm's exit has torn the entries */
	bool distrusted;		/* was deaf once */
	u64 fail_at;			/* when filled is that */
	u64 fills;
	u64 fill_retries;
	u64 filled;
	u64 torn;
	u64 present;
};

/* A run of pages by number, [first, last]. */
struct run {
	unsigned long first;
	unsigned long last;
};

static struct run run_of(u64 start, u64 length)
{
	return (struct run) {
		.first = start >> PAGE_SHIFT,
		.last = (start + length - 1) >> PAGE_SHIFT,
	};
}

static unsigned long chunk_of(unsigned long page)
{
	return page / CHUNK_PAGES;
}

/* The part of the run that is in the chunk of its first page. */
static struct run first_part(const struct run *run)
{
	return (struct run) {
		.first = run->first,
		.last = min(run->last, run->first | (CHUNK_PAGES - 1)),
	};
}

/* The part of the run that is in that chunk. */
static struct run part_in(const struct run *run, unsigned long index)
{
	return (struct run) {
		.first = max(run->first, index * CHUNK_PAGES),
		.last = min(run->last, index * CHUNK_PAGES + CHUNK_PAGES - 1),
	};
}

static unsigned long run_pages(const struct run *run)
{
	return run->last - run->first + 1;
}

static u64 *word_at(struct chunk *chunk, unsigned long page)
{
	return &chunk->word[page % CHUNK_PAGES];
}

/* Callbacks */

static void chunk_tear(struct test_mirror *mirror, struct chunk *chunk,
		       const struct run *part)
{
	struct test_sub *sub = mirror->sub;
	unsigned long page, flags;
	u64 torn = 0;

	raw_spin_lock_irqsave(&sub->lock, flags);
	for (page = part->first; page <= part->last; page++) {
		torn += !!*word_at(chunk, page);
		*word_at(chunk, page) = 0;
	}
	mirror->torn += torn;
	mirror->present -= torn;
	raw_spin_unlock_irqrestore(&sub->lock, flags);
}

/* A page that the range only touches is torn too. */
void mirror_tear(struct test_sub *sub, const struct mmun_notifier_range *range)
{
	struct run run = run_of(range->start, (u64)range->end - range->start);
	bool blockable = mmun_notifier_range_blockable(range);
	struct test_mirror *mirror = sub->mirror;
	struct chunk *chunk;
	unsigned long index;
	struct run part;

	xa_for_each_range(&mirror->chunks, index, chunk, chunk_of(run.first),
			  chunk_of(run.last)) {
		part = part_in(&run, index);
		chunk_tear(mirror, chunk, &part);
		if (blockable)
			cond_resched();
	}
}

void mirror_release(struct test_sub *sub,
		    const struct mmun_notifier_range *range, bool deaf)
{
	unsigned long flags;

	if (!deaf)
		mirror_tear(sub, range);
	raw_spin_lock_irqsave(&sub->lock, flags);
	sub->mirror->released = true;
	raw_spin_unlock_irqrestore(&sub->lock, flags);
}

static u64 chunk_young(struct test_sub *sub, struct chunk *chunk,
		       const struct run *part, bool take)
{
	unsigned long page, flags;
	u64 young = 0;
	u64 *word;

	raw_spin_lock_irqsave(&sub->lock, flags);
	for (page = part->first; page <= part->last; page++) {
		word = word_at(chunk, page);
		young += !!(*word & MMUN_TEST_PAGE_YOUNG);
		if (take)
			*word &= ~MMUN_TEST_PAGE_YOUNG;
	}
	raw_spin_unlock_irqrestore(&sub->lock, flags);
	return young;
}

static u64 mirror_young(struct test_sub *sub, const struct run *run, bool take)
{
	struct chunk *chunk;
	unsigned long index;
	struct run part;
	u64 young = 0;

	xa_for_each_range(&sub->mirror->chunks, index, chunk,
			  chunk_of(run->first), chunk_of(run->last)) {
		part = part_in(run, index);
		young += chunk_young(sub, chunk, &part, take);
	}
	return young;
}

/* @what as in the flags of MMUN_TEST_EV_YOUNG. */
static bool log_young(struct mmun_notifier *mn, unsigned int what,
		      unsigned long start, unsigned long end)
{
	struct test_mirror *mirror = container_of(mn, struct test_mirror,
						  young);
	struct run run = run_of(start, (u64)end - start);
	struct mmun_test_event event;

	event_init(&event, MMUN_TEST_EV_YOUNG, what, start, end);
	sub_log(mirror->sub, &event);
	return mirror_young(mirror->sub, &run, what != 3);
}

static bool mirror_clear_flush_young(struct mmun_notifier *mn,
				     struct mm_struct *mm, unsigned long start,
				     unsigned long end)
{
	return log_young(mn, 1, start, end);
}

static bool mirror_clear_young(struct mmun_notifier *mn, struct mm_struct *mm,
			       unsigned long start, unsigned long end)
{
	return log_young(mn, 2, start, end);
}

static bool mirror_test_young(struct mmun_notifier *mn, struct mm_struct *mm,
			      unsigned long address)
{
	return log_young(mn, 3, address, address + PAGE_SIZE);
}

static const struct mmun_notifier_ops young_ops = {
	.clear_flush_young = mirror_clear_flush_young,
	.clear_young = mirror_clear_young,
	.test_young = mirror_test_young,
};

/* Attach and detach */

/*
 * If it fails, mirror_detach() undoes the part that was done; it may wait,
 * and so is called without the mmap lock.
 */
int mirror_attach(struct test_sub *sub, const struct mmun_test_attach *arg)
{
	bool locked = arg->flags & MMUN_TEST_ATTACH_LOCKED;
	struct test_mirror *mirror;
	int err;

	mirror = kzalloc(sizeof(*mirror), GFP_KERNEL_ACCOUNT);
	if (!mirror)
		return -ENOMEM;
	mirror->sub = sub;
	mirror->start = arg->start;
	mirror->length = arg->length;
	mirror->fail_at = U64_MAX;
	xa_init(&mirror->chunks);
	sub->mirror = mirror;

	err = interval_attach(sub, arg);
	if (err)
		return err;
	mirror->inserted = true;
	if (!(arg->flags & MMUN_TEST_ATTACH_YOUNG))
		return 0;

	mirror->young.ops = &young_ops;
	err = locked ? __mmun_notifier_register(&mirror->young, sub->mm) :
		mmun_notifier_register(&mirror->young, sub->mm);
	if (err)
		return err;
	mirror->registered = true;
	return 0;
}

void mirror_detach(struct test_sub *sub)
{
	struct test_mirror *mirror = sub->mirror;
	struct chunk *chunk;
	unsigned long index;

	if (!mirror)
		return;
	if (mirror->registered)
		mmun_notifier_unregister(&mirror->young, sub->mm);
	if (mirror->inserted)
		interval_detach(sub);
	xa_for_each(&mirror->chunks, index, chunk) {
		kfree(chunk);
		atomic_dec(&sub->file->tables);
		cond_resched();
	}
	xa_destroy(&mirror->chunks);
}

/* With the last reference: statistics may be read after the detach. */
void mirror_free(struct test_sub *sub)
{
	kfree(sub->mirror);
}

void mirror_set_knobs(struct test_sub *sub, const struct mmun_test_knobs *arg)
{
	struct test_mirror *mirror = sub->mirror;
	unsigned long flags;

	raw_spin_lock_irqsave(&sub->lock, flags);
	if (arg->flags & MMUN_TEST_KNOB_DEAF)
		mirror->distrusted = true;
	mirror->fail_at = arg->fail_after ? mirror->filled + arg->fail_after :
		U64_MAX;
	raw_spin_unlock_irqrestore(&sub->lock, flags);
}

void mirror_count(struct test_sub *sub, struct mmun_test_stats *stats)
{
	struct test_mirror *mirror = sub->mirror;

	lockdep_assert_held(&sub->lock);
	stats->fills = mirror->fills;
	stats->fill_retries = mirror->fill_retries;
	stats->filled = mirror->filled;
	stats->torn = mirror->torn;
	stats->present = mirror->present;
	stats->tables = atomic_read(&mirror->tables);
}

/* Is the span, which may be empty, inside of the mirror? */
bool mirror_covers(struct test_sub *sub, u64 start, u64 length)
{
	const struct test_mirror *mirror = sub->mirror;
	u64 offset = start - mirror->start;

	return start >= mirror->start && offset <= mirror->length &&
		length <= mirror->length - offset;
}

/* Filling */

/* Pages of one chunk that are looked up at once. */
struct batch {
	struct test_sub *sub;
	struct run run;
	unsigned long request;		/* HMM_PFN_REQ_* */
	unsigned long seq;
	unsigned long *pfns;		/* HMM_PFN_* */
	u64 entries;
	u64 retries;
};

/*
 * The chunk of a page. It is in the table from here on, with no entry in it if
 * the fill does not come to its end.
 */
static struct chunk *chunk_get(struct test_sub *sub, unsigned long page)
{
	struct test_mirror *mirror = sub->mirror;
	struct chunk *chunk;
	int err;

	chunk = xa_load(&mirror->chunks, chunk_of(page));
	if (chunk)
		return chunk;

	err = -ENOSPC;
	if (atomic_inc_return(&sub->file->tables) > MMUN_TEST_TABLES_MAX)
		goto err_tables;
	err = -ENOMEM;
	chunk = kzalloc(sizeof(*chunk), GFP_KERNEL_ACCOUNT);
	if (!chunk)
		goto err_tables;
	err = xa_insert(&mirror->chunks, chunk_of(page), chunk,
			GFP_KERNEL_ACCOUNT);
	if (err)
		goto err_chunk;
	atomic_inc(&mirror->tables);
	return chunk;

err_chunk:
	kfree(chunk);
err_tables:
	atomic_dec(&sub->file->tables);
	/* Somebody else was faster. */
	chunk = xa_load(&mirror->chunks, chunk_of(page));
	return chunk ?: ERR_PTR(err);
}

/* Not in the kernel's own map, so a copy cannot reach it. */
static bool vma_is_secret(const struct vm_area_struct *vma)
{
	return vma->vm_file &&
		file_inode(vma->vm_file)->i_sb->s_magic == SECRETMEM_MAGIC;
}

static void drop_secret(struct batch *batch)
{
	unsigned long first = batch->run.first, last = batch->run.last;
	struct mm_struct *mm = batch->sub->mm;
	struct vm_area_struct *vma;
	unsigned long page;

	for (vma = find_vma(mm, first << PAGE_SHIFT);
	     vma && vma->vm_start >> PAGE_SHIFT <= last;
	     vma = find_vma(mm, vma->vm_end)) {
		if (!vma_is_secret(vma))
			continue;
		for (page = max(first, vma->vm_start >> PAGE_SHIFT);
		     page <= last && page < vma->vm_end >> PAGE_SHIFT; page++)
			batch->pfns[page - first] = 0;
	}
}

/* Memory of devices is not for a CPU to copy. */
static void drop_devices(struct batch *batch)
{
	unsigned long i;

	for (i = 0; i < run_pages(&batch->run); i++)
		if (batch->pfns[i] & HMM_PFN_VALID &&
		    !pfn_to_online_page(batch->pfns[i] & ~HMM_PFN_FLAGS))
			batch->pfns[i] = 0;
}

static void batch_begin(struct batch *batch)
{
	batch->seq = mmun_interval_read_begin(&batch->sub->interval);
}

/*
 * Look up the pages in the section that was begun. -EBUSY: it has collided
 * already. The caller has a user of the mm, and holds its mmap lock.
 */
static int batch_look_up_locked(struct batch *batch)
{
	struct mmun_hmm_range range = {
		.notifier = &batch->sub->interval,
		.notifier_seq = batch->seq,
		.start = batch->run.first << PAGE_SHIFT,
		.end = (batch->run.last + 1) << PAGE_SHIFT,
		.hmm_pfns = batch->pfns,
		.default_flags = batch->request,
	};
	int err;

	memset(batch->pfns, 0, run_pages(&batch->run) * sizeof(*batch->pfns));
	err = mmun_hmm_range_fault(&range);
	if (!err) {
		drop_secret(batch);
		drop_devices(batch);
	}
	return err;
}

static int batch_look_up(struct batch *batch)
{
	struct mm_struct *mm = batch->sub->mm;
	int err;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	err = batch_look_up_locked(batch);
	mmap_read_unlock(mm);
	return err;
}

/* Only for a batch that requests no fault, which would drop the lock. */
static int batch_look_up_alone(struct batch *batch)
{
	struct mm_struct *mm = batch->sub->mm;
	int err;

	if (mmap_write_lock_killable(mm))
		return -EINTR;
	err = batch_look_up_locked(batch);
	mmap_write_unlock(mm);
	return err;
}

/* Return: how many pages were found; -EFAULT if all are needed and some not. */
static int batch_found(const struct batch *batch)
{
	unsigned long pages = run_pages(&batch->run);
	unsigned long i, found = 0;

	for (i = 0; i < pages; i++)
		found += !!(batch->pfns[i] & HMM_PFN_VALID);
	if (batch->request && found < pages)
		return -EFAULT;
	return found;
}

static u64 word_of(unsigned long pfn)
{
	u64 word = 0;

	if (pfn & HMM_PFN_VALID)
		word = MMUN_TEST_PAGE_VALID | (pfn & ~HMM_PFN_FLAGS);
	if (pfn & HMM_PFN_WRITE)
		word |= MMUN_TEST_PAGE_WRITE;
	return word;
}

static u64 page_of(u64 word)
{
	return word & (MMUN_TEST_PAGE_VALID | MMUN_TEST_PAGE_PFN);
}

/* An entry of the same page stays as young as it is. */
static int word_store(struct test_mirror *mirror, u64 *word, u64 new)
{
	if (!*word) {
		if (mirror->filled == mirror->fail_at)
			return -EIO;
		mirror->filled++;
		mirror->present++;
	}
	if (page_of(*word) == page_of(new))
		new |= *word & MMUN_TEST_PAGE_YOUNG;
	*word = new;
	return 0;
}

static int batch_store_locked(struct batch *batch, struct chunk *chunk)
{
	struct test_mirror *mirror = batch->sub->mirror;
	unsigned long i;
	int err;

	lockdep_assert_held(&batch->sub->lock);
	if (mmun_interval_read_retry(&batch->sub->interval, batch->seq))
		return -EBUSY;
	for (i = 0; chunk && i < run_pages(&batch->run); i++) {
		if (!(batch->pfns[i] & HMM_PFN_VALID))
			continue;
		err = word_store(mirror,
				 word_at(chunk, batch->run.first + i),
				 word_of(batch->pfns[i]));
		if (err)
			return err;
		batch->entries++;
	}
	return 0;
}

static int batch_store(struct batch *batch, struct chunk *chunk)
{
	struct test_sub *sub = batch->sub;
	unsigned long flags;
	int err;

	raw_spin_lock_irqsave(&sub->lock, flags);
	err = batch_store_locked(batch, chunk);
	sub->mirror->fill_retries += err == -EBUSY;
	raw_spin_unlock_irqrestore(&sub->lock, flags);
	return err;
}

static void count_look_up(struct test_sub *sub, bool collided)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&sub->lock, flags);
	sub->mirror->fills++;
	sub->mirror->fill_retries += collided;
	raw_spin_unlock_irqrestore(&sub->lock, flags);
}

/* -EBUSY: begin again. The caller has a user of the mm. */
static int batch_try(struct batch *batch)
{
	struct test_sub *sub = batch->sub;
	/* Before it is counted: who waits for that may then turn the knob. */
	u32 delay_ms = READ_ONCE(sub->fill_delay_ms);
	struct chunk *chunk = NULL;
	int ret;

	batch_begin(batch);
	ret = batch_look_up(batch);
	count_look_up(sub, ret == -EBUSY);
	if (ret)
		return ret;
	ret = batch_found(batch);
	if (ret < 0)
		return ret;
	if (ret) {
		chunk = chunk_get(sub, batch->run.first);
		if (IS_ERR(chunk))
			return PTR_ERR(chunk);
	}
	if (delay_ms && msleep_interruptible(delay_ms))
		return -EINTR;
	return batch_store(batch, chunk);
}

/*
 * A detacher gets his turn, and the mm its exit, between any two attempts. The
 * mm is the subscription's as long as that is not detached.
 */
static int batch_section(struct batch *batch)
{
	struct mm_struct *mm;
	int err;

	err = section_enter(batch->sub);
	if (err)
		return err;
	mm = batch->sub->mm;
	if (!mmget_not_zero(mm)) {
		section_leave(batch->sub);
		return -ESRCH;
	}
	err = batch_try(batch);
	section_leave(batch->sub);
	mmput(mm);
	return err;
}

static int batch_fill(struct batch *batch)
{
	int err;

	for (;;) {
		err = batch_section(batch);
		if (err != -EBUSY)
			return err;
		batch->retries++;
		if (signal_pending(current))
			return -EINTR;
		cond_resched();
	}
}

static unsigned long *pfns_alloc(void)
{
	return kcalloc(CHUNK_PAGES, sizeof(unsigned long), GFP_KERNEL_ACCOUNT);
}

static unsigned long fault_request(u32 flags)
{
	if (flags & MMUN_TEST_FAULT_PRESENT)
		return 0;
	if (flags & MMUN_TEST_FAULT_WRITE)
		return HMM_PFN_REQ_FAULT | HMM_PFN_REQ_WRITE;
	return HMM_PFN_REQ_FAULT;
}

/* The parts of a run, chunk by chunk. Between two of them, a signal ends it. */
static bool next_part(struct run *left, const struct run *done)
{
	if (done->last == left->last)
		return false;
	left->first = done->last + 1;
	return true;
}

int mirror_fault(struct test_sub *sub, struct mmun_test_fault *arg)
{
	struct run left = run_of(arg->start, arg->length);
	struct batch batch = {
		.sub = sub,
		.request = fault_request(arg->flags),
	};
	int err = 0;

	if (!arg->length)
		return 0;
	batch.pfns = pfns_alloc();
	if (!batch.pfns)
		return -ENOMEM;
	for (;;) {
		batch.run = first_part(&left);
		err = batch_fill(&batch);
		if (err || !next_part(&left, &batch.run))
			break;
		if (signal_pending(current)) {
			err = -EINTR;
			break;
		}
		cond_resched();
	}
	kfree(batch.pfns);
	arg->entries = batch.entries;
	arg->retries = batch.retries;
	return err;
}

/* Copying */

/*
 * A write through a mapping makes the page dirty, but the process's page
 * table does not see what is written here. Its entry may be clean and may be
 * written all the same: mprotect() and swap-in make such entries of anonymous
 * memory, a read fault makes them of shmem, and MADV_FREE leaves them behind. If
 * the page were clean as well, reclaim would drop it, and what was written with
 * it. So the page itself is made dirty. For these kinds that is the one bit:
 * their dirty_folio() does nothing else, and needs no lock.
 *
 * Files that are written back need nothing. Their pages can be written to only
 * after a write fault has made them dirty (vma_wants_writenotify()), and to clean
 * them takes the permission away again (folio_mkclean()): an event, and the
 * entry is gone. The other kinds (ramfs, hugetlbfs) are never reclaimed.
 */
static void page_written(struct page *page)
{
	struct folio *folio = page_folio(page);

	if (folio_test_anon(folio) || folio_test_swapbacked(folio))
		folio_set_dirty(folio);
}

/* One piece of one page. */
struct piece {
	struct test_sub *sub;
	unsigned long page;
	unsigned int offset;
	unsigned int length;
	bool write;
	char *bounce;
};

static int piece_copy_locked(struct piece *piece, u64 *word)
{
	u64 need = MMUN_TEST_PAGE_VALID;
	struct page *page;

	lockdep_assert_held(&piece->sub->lock);
	if (piece->sub->mirror->distrusted)
		return -EIO;
	if (piece->write)
		need |= MMUN_TEST_PAGE_WRITE;
	if (!word || (*word & need) != need)
		return -EAGAIN;

	page = pfn_to_page(*word & MMUN_TEST_PAGE_PFN);
	if (piece->write) {
		memcpy_to_page(page, piece->offset, piece->bounce,
			       piece->length);
		page_written(page);
	} else {
		memcpy_from_page(piece->bounce, page, piece->offset,
				 piece->length);
	}
	*word |= MMUN_TEST_PAGE_YOUNG;
	return 0;
}

/* -EAGAIN: there is no entry, or not one for that. */
static int piece_try(struct piece *piece)
{
	struct test_sub *sub = piece->sub;
	struct chunk *chunk;
	unsigned long flags;
	int err;

	err = section_enter(sub);
	if (err)
		return err;
	chunk = xa_load(&sub->mirror->chunks, chunk_of(piece->page));
	raw_spin_lock_irqsave(&sub->lock, flags);
	err = piece_copy_locked(piece, chunk ? word_at(chunk, piece->page) :
				NULL);
	raw_spin_unlock_irqrestore(&sub->lock, flags);
	section_leave(sub);
	return err;
}

/* As a device does: what is not there is faulted in, and the access repeated. */
static int piece_copy(struct piece *piece, bool nofault, u64 *faults)
{
	unsigned long pfn;
	struct batch batch = {
		.sub = piece->sub,
		.run = { piece->page, piece->page },
		.request = fault_request(piece->write ?
					 MMUN_TEST_FAULT_WRITE : 0),
		.pfns = &pfn,
	};
	int err;

	for (;;) {
		err = piece_try(piece);
		if (err != -EAGAIN)
			return err;
		if (nofault)
			return -EFAULT;
		if (signal_pending(current))
			return -EINTR;
		err = batch_fill(&batch);
		if (err)
			return err;
		(*faults)++;
	}
}

static int copy_pieces(struct piece *piece, struct mmun_test_copy *arg)
{
	bool nofault = arg->flags & MMUN_TEST_COPY_NOFAULT;
	int err;

	while (arg->copied < arg->length) {
		char __user *user = u64_to_user_ptr(arg->buffer + arg->copied);
		u64 address = arg->start + arg->copied;

		if (arg->copied && signal_pending(current))
			return -EINTR;
		piece->page = address >> PAGE_SHIFT;
		piece->offset = offset_in_page(address);
		piece->length = min_t(u64, PAGE_SIZE - piece->offset,
				      arg->length - arg->copied);
		if (piece->write &&
		    copy_from_user(piece->bounce, user, piece->length))
			return -EFAULT;
		err = piece_copy(piece, nofault, &arg->faults);
		if (err)
			return err;
		if (!piece->write &&
		    copy_to_user(user, piece->bounce, piece->length))
			return -EFAULT;
		arg->copied += piece->length;
		cond_resched();
	}
	return 0;
}

int mirror_copy(struct test_sub *sub, struct mmun_test_copy *arg, bool write)
{
	struct piece piece = {
		.sub = sub,
		.write = write,
	};
	int err;

	piece.bounce = kmalloc(PAGE_SIZE, GFP_KERNEL_ACCOUNT);
	if (!piece.bounce)
		return -ENOMEM;
	err = copy_pieces(&piece, arg);
	kfree(piece.bounce);
	return err;
}

/* Looking at the entries */

/* Return: how many valid ones, or an error. */
static int part_copy(struct test_sub *sub, const struct run *part, u64 *words)
{
	unsigned long i, flags, pages = run_pages(part);
	struct chunk *chunk;
	int ret;

	ret = section_enter(sub);
	if (ret)
		return ret;
	chunk = xa_load(&sub->mirror->chunks, chunk_of(part->first));
	raw_spin_lock_irqsave(&sub->lock, flags);
	for (i = 0; i < pages; i++) {
		words[i] = chunk ? *word_at(chunk, part->first + i) : 0;
		ret += !!words[i];
	}
	raw_spin_unlock_irqrestore(&sub->lock, flags);
	section_leave(sub);
	return ret;
}

int mirror_snapshot(struct test_sub *sub, struct mmun_test_snapshot *arg)
{
	struct run left = run_of(arg->start, arg->length);
	u64 user = arg->buffer;
	struct run part;
	size_t size;
	u64 *words;
	int ret;

	if (!arg->length)
		return 0;
	words = kcalloc(CHUNK_PAGES, sizeof(*words), GFP_KERNEL_ACCOUNT);
	if (!words)
		return -ENOMEM;
	for (;;) {
		part = first_part(&left);
		size = run_pages(&part) * sizeof(*words);
		ret = part_copy(sub, &part, words);
		if (ret < 0)
			break;
		arg->present += ret;
		ret = copy_to_user(u64_to_user_ptr(user), words, size) ?
			-EFAULT : 0;
		if (ret || !next_part(&left, &part))
			break;
		user += size;
		if (signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		cond_resched();
	}
	kfree(words);
	return ret;
}

int mirror_age(struct test_sub *sub, struct mmun_test_age *arg)
{
	struct run run = run_of(arg->start, arg->length);
	int err;

	if (!arg->length)
		return 0;
	err = section_enter(sub);
	if (err)
		return err;
	arg->young = mirror_young(sub, &run, true);
	section_leave(sub);
	return 0;
}

/*
 * Checking
 *
 * An entry is compared if it was there before the pages are looked up, and still
 * is after that: then it was there when they were. One that was filled in meanwhile
 * may be of a page that came meanwhile, and no event comes for a new page.
 * The entries are noted inside the section, so that none can have gone and come
 * again, of the same page: that takes an invalidation, which is a collision.
 */

struct checker {
	struct batch batch;
	struct run left;
	u64 *words;			/* the entries, before the look-up */
	u64 *seen;			/* what the first look-up found */
	struct mmun_test_difference *records;
	u32 room;
	u64 checked;
	u64 differences;
};

/* The page of the process, in the same terms. */
static u64 word_of_process(unsigned long pfn)
{
	return pfn & HMM_PFN_ERROR ? MMUN_TEST_PAGE_ERROR : word_of(pfn);
}

/* Young is the mirror's alone; a mirror may have less rights, but not more. */
static bool backed(u64 word, u64 process)
{
	return page_of(word) == page_of(process) &&
		!(word & ~process & MMUN_TEST_PAGE_WRITE);
}

static void check_word(struct checker *check, unsigned long page, u64 word,
		       u64 process)
{
	struct mmun_test_difference *record;

	check->checked++;
	if (backed(word, process))
		return;
	if (check->differences < check->room) {
		record = &check->records[check->differences];
		record->address = (u64)page << PAGE_SHIFT;
		record->mirror = word;
		record->process = process;
	}
	check->differences++;
}

static void note_words_locked(struct checker *check, struct chunk *chunk)
{
	const struct run *run = &check->batch.run;
	unsigned long i;

	lockdep_assert_held(&check->batch.sub->lock);
	for (i = 0; i < run_pages(run); i++)
		check->words[i] = *word_at(chunk, run->first + i);
}

static void note_words(struct checker *check, struct chunk *chunk)
{
	struct test_sub *sub = check->batch.sub;
	unsigned long flags;

	raw_spin_lock_irqsave(&sub->lock, flags);
	note_words_locked(check, chunk);
	raw_spin_unlock_irqrestore(&sub->lock, flags);
}

/* The part of an entry that was there all the time: the page, the rights of both. */
static u64 word_since(u64 before, u64 now)
{
	if (page_of(before) != page_of(now))
		return 0;
	return now & (before | ~MMUN_TEST_PAGE_WRITE);
}

static void check_words(struct checker *check, struct chunk *chunk)
{
	struct batch *batch = &check->batch;
	unsigned long i;
	u64 word, process;

	lockdep_assert_held(&batch->sub->lock);
	for (i = 0; i < run_pages(&batch->run); i++) {
		word = word_since(check->words[i],
				  *word_at(chunk, batch->run.first + i));
		if (!word)
			continue;
		process = check->seen[i];
		if (!backed(word, process))
			process = word_of_process(batch->pfns[i]);
		check_word(check, batch->run.first + i, word, process);
	}
}

/*
 * Look up the pages; twice, if they are not what the entries say. Two things look like
 * a difference and are none:
 *
 * - The look-up takes no page table lock, and the kernel may take an entry out and put
 *   it back under that lock without an event (MADV_COLD did).
 *
 * - munmap() and a shrinking mremap() take the VMA away and downgrade the mmap lock
 *   before their range begins. Until then the look-up finds no VMA, and the page is
 *   still there. They hold the lock for reading until their range has ended, so the
 *   second look-up, which holds it for writing, comes before that or collides.
 */
static int check_look_up(struct checker *check)
{
	struct batch *batch = &check->batch;
	bool differs = false;
	unsigned long i;
	int err;

	err = batch_look_up(batch);
	if (err)
		return err;
	for (i = 0; i < run_pages(&batch->run); i++) {
		check->seen[i] = word_of_process(batch->pfns[i]);
		differs |= check->words[i] &&
			   !backed(check->words[i], check->seen[i]);
	}
	return differs ? batch_look_up_alone(batch) : 0;
}

static int check_alive(struct checker *check, struct chunk *chunk)
{
	struct batch *batch = &check->batch;
	struct test_sub *sub = batch->sub;
	unsigned long flags;
	int err;

	batch_begin(batch);
	note_words(check, chunk);
	err = check_look_up(check);
	if (err)
		return err;
	raw_spin_lock_irqsave(&sub->lock, flags);
	if (mmun_interval_read_retry(&sub->interval, batch->seq))
		err = -EBUSY;
	else
		check_words(check, chunk);
	raw_spin_unlock_irqrestore(&sub->lock, flags);
	return err;
}

/* -EAGAIN: nobody uses the mm any more, but its release is still to come. */
static int check_dead(struct checker *check, struct chunk *chunk)
{
	struct batch *batch = &check->batch;
	struct test_sub *sub = batch->sub;
	unsigned long flags;
	int err = 0;

	memset(batch->pfns, 0, run_pages(&batch->run) * sizeof(*batch->pfns));
	memset(check->seen, 0, run_pages(&batch->run) * sizeof(*check->seen));
	raw_spin_lock_irqsave(&sub->lock, flags);
	if (sub->mirror->released) {
		note_words_locked(check, chunk);
		check_words(check, chunk);
	} else {
		err = -EAGAIN;
	}
	raw_spin_unlock_irqrestore(&sub->lock, flags);
	return err;
}

/* Return: 1 if that was the last one, 0 if not, or an error; then try again. */
static int check_next(struct checker *check)
{
	struct test_sub *sub = check->batch.sub;
	unsigned long index = chunk_of(check->left.first);
	struct mm_struct *mm;
	struct chunk *chunk;
	int ret;

	ret = section_enter(sub);
	if (ret)
		return ret;
	chunk = xa_find(&sub->mirror->chunks, &index,
			chunk_of(check->left.last), XA_PRESENT);
	if (!chunk) {
		section_leave(sub);
		return 1;
	}
	check->batch.run = part_in(&check->left, index);
	mm = sub->mm;
	if (mmget_not_zero(mm)) {
		ret = check_alive(check, chunk);
		section_leave(sub);
		mmput(mm);
	} else {
		ret = check_dead(check, chunk);
		section_leave(sub);
	}
	if (!ret)
		ret = !next_part(&check->left, &check->batch.run);
	return ret;
}

static int check_all(struct checker *check)
{
	int ret;

	for (;;) {
		ret = check_next(check);
		if (ret == 1)
			return 0;
		if (ret < 0 && ret != -EBUSY && ret != -EAGAIN)
			return ret;
		if (ret == -EAGAIN)
			msleep_interruptible(1);
		if (signal_pending(current))
			return -EINTR;
		cond_resched();
	}
}

int mirror_check(struct test_sub *sub, struct mmun_test_check *arg)
{
	struct checker check = {
		.batch.sub = sub,
		.left = run_of(arg->start, arg->length),
		.room = arg->room,
	};
	size_t size;
	int err;

	if (!arg->length)
		return 0;
	check.batch.pfns = pfns_alloc();
	check.words = kcalloc(CHUNK_PAGES, sizeof(*check.words),
			      GFP_KERNEL_ACCOUNT);
	check.seen = kcalloc(CHUNK_PAGES, sizeof(*check.seen),
			     GFP_KERNEL_ACCOUNT);
	check.records = kvcalloc(arg->room, sizeof(*check.records),
				 GFP_KERNEL_ACCOUNT);
	err = -ENOMEM;
	if (!check.batch.pfns || !check.words || !check.seen || !check.records)
		goto out;
	err = check_all(&check);
	arg->checked = check.checked;
	arg->differences = check.differences;
	size = min_t(u64, check.differences, check.room) *
		sizeof(*check.records);
	if (copy_to_user(u64_to_user_ptr(arg->buffer), check.records, size))
		err = -EFAULT;
out:
	kvfree(check.records);
	kfree(check.seen);
	kfree(check.words);
	kfree(check.batch.pfns);
	return err;
}
