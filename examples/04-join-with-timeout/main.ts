/**
 * Join with a timeout: without a limit, with `each` (up to 2 s for A, then up to 2 s for B) and with `within` (2 s for
 * both). No join ends a thread or delays its work.
 *
 *     node examples/04-join-with-timeout/main.ts
 */
import { Main } from "@quiesce/process"
import { program } from "./program.ts"

Main.run(program)
