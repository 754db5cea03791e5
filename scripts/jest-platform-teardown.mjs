/** Ends the platform that the setup started. */
export default async function endPlatform() {
  await globalThis.writPlatform?.stop();
}
