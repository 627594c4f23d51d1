// SPDX-License-Identifier: GPL-2.0-or-later
#include "agentctl/confine/caps.h"

#include <cap-ng.h>
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "policy/base/err.h"

/* So that not even a setuid root program, or a file with capabilities, gets one. An ordinary user
 * may not do this: for them no_new_privs alone prevents it. */
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
