/** An AbortSignal that follows the signals of the process. */
import * as Effect from "effect/Effect"
import * as CancelReason from "@quiesce/core/CancelReason"
import { SignalCount } from "../signals/signalCount.ts"
import * as SignalListener from "../signals/signalListener.ts"
import { exitCode, type Signal } from "../signals/signalName.ts"
import * as InTheWay from "./inTheWay.ts"
import * as Leaving from "./leaving.ts"
import * as Reasons from "./reasons.ts"
import * as Replacement from "./replacement.ts"

export const make = (
  signals: ReadonlyArray<Signal>,
  onSecondSignal: "climb" | "exit",
  release: () => void
): AbortSignal & Disposable => {
  Replacement.prepare()
  const controller = new AbortController()
  const count = new SignalCount()
  const second = onSecondSignal === "climb" ? tell : Leaving.leaveNow
  const unlisten = SignalListener.listenUntilExit(signals, (signal) => {
    const counted = count.add(signal, performance.now())
    if (counted === "First") {
      process.exitCode ??= exitCode(signal)
      controller.abort(CancelReason.toError(Reasons.of({ _tag: "Signal", signal })))
    }
    if (counted === "Second") second(signal)
    if (counted === "Third") Leaving.leaveNow(signal)
  })
  let isDisposed = false
  const dispose = (): void => {
    if (isDisposed) return
    isDisposed = true
    unlisten()
    release()
  }
  return Object.assign(controller.signal, { [Symbol.dispose]: dispose })
}

const tell = (signal: Signal): void => {
  Effect.runFork(
    Effect.map(InTheWay.tree, (threads) => {
      const alive = threads === "" ? "" : ` Still alive:\n${threads}`
      process.stderr.write(`${signal} again. A third one ends the process at once.${alive}\n`)
    })
  )
}
