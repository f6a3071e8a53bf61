/* SPDX-License-Identifier: MIT */
/* Signals while pictures are computed. */
#pragma once

#include "pique/engine.h"

/* SIGINT and SIGTERM set the token from now on, and SIGPIPE does nothing. One run at a time. */
void pq_watch_signals(pique_cancel *cancel);
/* Before the token is freed. */
void pq_unwatch_signals(void);
