/** `__Host-`: the browser takes it only with Secure and Path=/, from this very host, and over plain http only from this machine. */
export const sessionCookie = '__Host-writ-session';
/** What the console has to remember while the person is at the identity provider. */
export const signInCookie = '__Host-writ-login';

export const signInSeconds = 600;

/** The value of one cookie; nothing where it came twice, because then one of them is somebody else's. */
export function cookieOf(header: string | undefined, name: string): string | undefined {
  const values = (header ?? '').split(';').map((pair) => pair.trim()).filter((pair) => pair.startsWith(`${name}=`)).map((pair) => pair.slice(name.length + 1));
  return values.length === 1 ? values[0] : undefined;
}

/** Ends with the browser at the latest; Redis says when a session really ends. Strict: no foreign page ever sends it. */
export const setSession = (id: string): string => `${sessionCookie}=${id}; Path=/; Secure; HttpOnly; SameSite=Strict`;
/** Lax: the identity provider's redirect back, which comes from a foreign page, has to bring it. */
export const setSignIn = (sealed: string): string => `${signInCookie}=${sealed}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=${signInSeconds}`;
export const clear = (name: string): string => `${name}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0`;
