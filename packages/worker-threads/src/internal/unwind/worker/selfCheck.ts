/** Finds the code that the host can end in this worker, and the losses if Effect is not as expected. */
import * as DeferredResume from "../../scheduler/deferredResume.ts"
import * as EffectInternals from "../../wire/effectInternals.ts"
import type { Unwind } from "../../wire/handshake.ts"
import * as ToolkitFolders from "./toolkitFolders.ts"

export interface SelfCheck {
  readonly unwind: Unwind
  /** The warning about Effect; null if Effect is as expected. */
  readonly problem: string | null
  /** The folders of this toolkit's code; empty if nothing outside sections can be ended. */
  readonly folders: ReadonlyArray<string>
}

const noSections = "no busy code is ended but by a kill, because each section counts as masked"
const noOtherCode = "busy code outside Blocking.interruptible is not unwound but killed"
const noDeferral = "a fiber that is woken runs inside the code that wakes it"
const noLaunch = "a handler of RpcServer begins inside the server's own fiber"

/** `handlerProblem` is the problem with finding the fiber of an RPC handler; undefined without a problem, and without RPC. */
export const run = (handlerProblem: string | undefined): SelfCheck => {
  const { folders, problem: folderProblem } = ToolkitFolders.find()
  const mask = EffectInternals.maskProblem()
  const resume = DeferredResume.install()
  const fiber = EffectInternals.runningProblem()
  // In a bundle the frames have other URLs, so the trial of the frames would prove nothing about Effect.
  const frames = folderProblem === undefined ? EffectInternals.framesProblem() : undefined
  const problems = [mask, fiber, resume, frames, handlerProblem].filter((problem) => problem !== undefined)
  const [effectProblem] = problems
  const lacks = [
    mask === undefined ? noOtherCode : noSections,
    ...(resume === undefined ? [] : [noDeferral]),
    ...(handlerProblem === undefined ? [] : [noLaunch])
  ]
  const warning = `In a worker, ${problems.join(", and ")}. Without ${problems.length > 1 ? "them" : "it"} ${lacks.join("; ")}.`
  return {
    unwind: unwindOf(mask, effectProblem ?? folderProblem),
    problem: effectProblem === undefined ? null : warning,
    folders: folders ?? []
  }
}

const unwindOf = (mask: string | undefined, problem: string | undefined): Unwind => {
  if (mask !== undefined) return { _tag: "None", why: mask }
  return problem === undefined ? { _tag: "SectionsAndOtherCode" } : { _tag: "SectionsOnly", why: problem }
}
