// SPDX-License-Identifier: MIT
document.title = "A page for tests";
