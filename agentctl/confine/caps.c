// SPDX-License-Identifier: GPL-2.0-or-later
#include "agentctl/confine/caps.h"

#include <cap-ng.h>
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "policy/base/err.h"

/* Also a setuid root program, or a file with capabilities, gets none. Where an ordinary user may
 * not do this, no_new_privs alone sees to it. */
int caps_drop_bounding(struct err *e)
{
	int cap = 0;

	while (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
		cap++;
	if (errno == EINVAL && cap) /* the kernel has no more */
		return 0;
	return errno == EPERM && geteuid() != 0
		   ? 0
		   : err_set(e, errno, "cannot drop capability %d: %s", cap, strerror(errno));
}

int caps_drop(struct err *e)
{
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	capng_clear(CAPNG_SELECT_CAPS);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return err_set(e, EPERM, "cannot drop the capabilities");
	return 0;
}
