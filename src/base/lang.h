/* SPDX-License-Identifier: MIT */
/* The language of sentences: what pique says is written in English where it is said, and looked up
 * in a dictionary where another language is wanted.
 *
 * The library, its modules and the program each have a copy of this file's state, so it is read
 * from $PIQUE_LANG, which the program sets before anything else; a program that embeds the library
 * hears English unless it sets that. Thread-safety: safe. */
#pragma once

enum pq_lang { PQ_LANG_EN, PQ_LANG_FR, PQ_LANG_COUNT };

/* Of "fr", "fr_CA.UTF-8", "fr-FR"; English for everything else and for NULL. */
enum pq_lang pq_lang_of(const char *text);
/* The language of this thread: what pq_lang_on_thread() said, else that of $PIQUE_LANG. */
enum pq_lang pq_lang(void);
/* For a thread that answers people of several languages. */
void pq_lang_on_thread(enum pq_lang lang);

/* A sentence or format in the language of this thread; the English one where the dictionary has
 * none. Its conversions are those of the English one, in the same order. */
const char *pq_tr(const char *english) __attribute__((format_arg(1)));

/* Marks a sentence that stands in a table and goes through pq_tr() where it is said: for the test
 * that looks for sentences without a translation. */
#define PQ_SAID(english) english
