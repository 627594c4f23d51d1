/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket, where agentctl asks for fences and is told of their end. */
#ifndef AGENTFW_CONTROL_H
#define AGENTFW_CONTROL_H

#include "fw/ipc/control_msg.h"
#include "fw/parent/fence.h"
#include "policy/base/err.h"

int control_listen(struct parent *p, struct err *e);
void control_stop(struct parent *p); /* no new clients */
void control_close(struct parent *p);
void client_created(struct client *c, struct pfence *f);
void client_fence_failed(struct client *c, const struct err *e);
void client_summary(struct client *c, const struct ctl_summary *s);

#endif
