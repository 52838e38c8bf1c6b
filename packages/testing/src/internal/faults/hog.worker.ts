/** Loops for ever. */
for (;;);
