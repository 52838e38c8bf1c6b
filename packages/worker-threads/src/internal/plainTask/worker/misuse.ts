/** The error of a worker that can't serve. A worker loads this module for it. */
import { isMainThread } from "node:worker_threads"
import type { Handshake } from "../../wire/handshake.ts"
import { versionProblem } from "../../wire/versionProblem.ts"

/** `handshake` is missing, or that of another version. */
export const misuse = (handshake: Handshake | undefined): Error =>
  new Error(
    (handshake && versionProblem(handshake)) ??
      `This module is the worker of plain functions. ${isMainThread ? "Call runTask or createTaskPool, which start it" : "Only runTask and createTaskPool start it"}.`
  )
