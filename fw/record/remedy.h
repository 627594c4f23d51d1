/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kind of line helps against a refusal: of denial_text.c, for denial_suggest.c. */
#ifndef AGENTFW_REMEDY_H
#define AGENTFW_REMEDY_H

#include "fw/ipc/denial.h"

/* What line of the policy would let such a thing pass. */
enum remedy {
	REMEDY_NONE = 0, /* nothing that may be written */
	REMEDY_ENDPOINT, /* the endpoint itself */
	REMEDY_ADDRESS,  /* not this payload under a name rule, but the address without looking */
	REMEDY_NAME,     /* the name that was asked for */
	REMEDY_ECH,
	REMEDY_REBIND,
	REMEDY_INGRESS, /* the listener, in another list */
};

enum remedy denial_remedy(enum denial_code code);

#endif
