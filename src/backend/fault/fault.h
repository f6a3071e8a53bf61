/* SPDX-License-Identifier: MIT */
/* A device that fails on purpose, so that what happens above it can be tested. It computes as the
 * processor does, and "fault:KIND@N" spoils what the N-th step (from 1) of all its runs yields:
 *
 *     fault:error@3    the step reports a lost device
 *     fault:nan@3      one value is not a number
 *     fault:flat@3     all of the step's rows are black
 *     fault:nan@3+     from the third on, every one
 *     fault:memory@3   the third run (a batch, each pass of its own) finds no memory
 *     fault:nan@0      never: another device that computes as the processor does
 *
 * It is never listed. */
#pragma once

#include "backend/backend.h"

extern const struct pq_backend pq_backend_fault;
