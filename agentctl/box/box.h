/* What the files that make the plan of a box share: box.c, box_files.c, box_links.c, box_deny.c. */
#ifndef AGENTFW_BOX_H
#define AGENTFW_BOX_H

#include <limits.h>

#include "agentctl/confine/plan.h"
#include "policy/profile.h"

/* A path of the profile, and where it leads. */
struct entry {
	struct profile_path path;
	char *real; /* NULL: it is optional, and not there */
};

struct build {
	const struct box *b;
	struct plan *p;
	struct profile profile;
	struct library_dirs *libs;
	char workspace[PATH_MAX];
	struct entry *entry;
	size_t n_entries;
	char **
	    writable; /* every place that some profile of the policy may write, and the workspace */
	size_t n_writable;
	bool sockets; /* the profile names one */
	struct err *e;
};

/* ---- box_links.c -------------------------------------------------------------------------------
 */

/* Where every path of the profile leads. A link that lies in a writable place is a tool's or the
 * agent's: it must not lead a right out of that place. */
int box_resolve(struct build *b);
void box_resolve_done(struct build *b);
/* As realpath(3), for paths that need not be there: 0, or -errno; -ELOOP also: a link in one of
 * dirs leads out of it, *ret_dir. ret holds PATH_MAX bytes, set on -ELOOP too. */
int box_realpath(const char *path, char *const *dirs, size_t n, char *ret, const char **ret_dir);

/* ---- box_files.c -------------------------------------------------------------------------------
 */

/* The mounts; the rights by inode. */
int box_mounts(struct build *b);
int box_rights(struct build *b);
/* Is the place empty in every box? */
bool box_is_private(const char *path);
/* An error about an entry of the profile; returns -code. */
int box_entry_error(struct build *b, const struct profile_path *path, int code, const char *fmt,
		    ...) __attribute__((format(printf, 4, 5)));

/* ---- companions.c ------------------------------------------------------------------------------
 */

enum part {
	PART_READ,
	PART_MAP, /* libraries of its own: mapped, not run */
	PART_EXEC,
};
/* The parts of a well-known program that are there. program: a real path. */
void companions(const char *program, void (*fn)(const char *real, enum part part, void *arg),
		void *arg);

/* ---- box_deny.c --------------------------------------------------------------------------------
 */

/* The steps for what is denied, wherever the host shows it, and for secrets in what is named. */
int box_deny(struct build *b);

#endif
