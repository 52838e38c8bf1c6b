/** Throws while it loads. */
throw new Error("This worker throws while it loads, as it should")
