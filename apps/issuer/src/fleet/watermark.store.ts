/** SQL: up to here every verifier has told its uses, so whatever it did not tell did not happen. */
export const usesKnownUntil = '(SELECT coalesce(min(coalesce(watermark, registered_at)), now()) FROM verifier WHERE retired_at IS NULL)';
