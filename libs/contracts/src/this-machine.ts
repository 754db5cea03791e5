/** Whether a host of an address is this machine, so that nobody listens on the way to it (names below .localhost: RFC 6761). */
export function isThisMachine(hostname: string): boolean {
  return ['127.0.0.1', '[::1]', 'localhost'].includes(hostname) || hostname.endsWith('.localhost');
}
