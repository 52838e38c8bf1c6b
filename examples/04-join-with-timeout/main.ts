/**
 * Join with a timeout: without one, with `each` (A is waited for until 2 s, then B until 4 s) and with `within` (2 s for
 * both). None of them ends a thread, or makes it slower.
 *
 *     node examples/04-join-with-timeout/main.ts
 */
import { Effect } from "effect"
import { program } from "./program.ts"

await Effect.runPromise(program)
