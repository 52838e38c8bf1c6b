/** Renders pages by busy loops, which Quiesce can end. */
import { Blocking } from "@quiesce/core"
import { ThreadWorker } from "@quiesce/worker-threads"
import { Effect } from "effect"
import { Pages } from "./pages.ts"

const millis = 200

const render = (page: number, hasEnd: boolean): string => {
  const until = hasEnd ? performance.now() + millis : Infinity
  while (performance.now() < until);
  return `page ${page}`
}

ThreadWorker.main(
  Pages,
  Pages.toLayer({
    Render: ({ hasEnd, page }) =>
      Effect.onInterrupt(
        Blocking.interruptible(() => render(page, hasEnd)),
        () => Effect.sync(() => console.log(`worker: cleaned up after page ${page}`))
      )
  })
)
