export interface Page {
  url: string;
  html: string;
}

/**
 * A person's browser in front of an identity provider: it follows redirects with cookies, and stops at the first
 * address that is not the provider's, as there its work is done.
 */
export class Browser {
  private readonly cookies = new Map<string, string>();

  constructor(private readonly issuer: string) {}

  get(url: string): Promise<Page> {
    return this.visit(url);
  }

  post(url: string, form: Record<string, string>): Promise<Page> {
    return this.visit(url, { method: 'POST', body: new URLSearchParams(form) });
  }

  /** Signs in on the provider's pages, from the address that a client sends people to. Answers where the provider then sends them. */
  async signIn(start: string, person: string): Promise<URL> {
    let page = await this.get(start);
    while (page.html !== '') {
      if (page.html.includes('<h1>Sign in<')) page = await this.post(`${page.url}/login`, { person });
      else if (page.html.includes('<h1>Allow access?<')) page = await this.post(`${page.url}/confirm`, {});
      else page = await this.submit(page); // Somebody else was signed in: the provider's own form ends that first.
    }
    return new URL(page.url);
  }

  /** Sends the page's own form as it stands. */
  submit({ html, url }: Page): Promise<Page> {
    const action = /action="([^"]+)"/.exec(html)?.[1] ?? '';
    const fields = [...html.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)].map(([, name, value]) => [name, value] as const);
    return this.post(new URL(action, url).href, Object.fromEntries(fields) as Record<string, string>);
  }

  private async visit(url: string, init: RequestInit = {}): Promise<Page> {
    const answer = await fetch(url, { ...init, redirect: 'manual', headers: { cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ') }, signal: AbortSignal.timeout(10_000) });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (name !== undefined && value !== undefined) this.cookies.set(name, value);
    }
    const location = answer.headers.get('location');
    if (location === null) return { url, html: await answer.text() };
    const next = new URL(location, url);
    return next.origin === new URL(this.issuer).origin ? this.visit(next.href) : { url: next.href, html: '' };
  }
}
