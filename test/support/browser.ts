/** What a browser got. `url` is where it ended after redirects; `location` is set when it stopped in front of one. */
export interface Page {
  url: string;
  status: number;
  headers: Headers;
  text: string;
  location: string | null;
}

/** How a browser goes somewhere. It stops in front of redirects to addresses that begin with `stopAt`. */
export interface Visit {
  form?: Record<string, string>;
  stopAt?: string;
}

/**
 * Follows redirects, keeps cookies by origin, fills in forms. `hosts` leads from an origin that only the settings know
 * to the server that runs.
 */
export class Browser {
  private readonly jars = new Map<string, Map<string, string>>();

  constructor(private readonly hosts: Readonly<Record<string, string>> = {}) {}

  /** The cookies for an origin, as a Cookie header. */
  cookies(origin: string): string {
    return [...(this.jars.get(origin) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  async visit(url: string, { form, stopAt }: Visit = {}): Promise<Page> {
    const page = await this.once(url, form);
    if (page.location === null || (stopAt !== undefined && page.location.startsWith(stopAt))) return page;
    return this.visit(page.location, { ...(stopAt !== undefined && { stopAt }) });
  }

  /**
   * Signs in on the pages of the provider, agrees to everything, and returns the address to which it sends the browser
   * back.
   */
  async signIn(url: string, login: string, stopAt: string): Promise<string> {
    let page = await this.visit(url, { stopAt });
    for (let step = 0; page.location === null; step += 1) {
      const action = /<form[^>]* action="([^"]+)"/.exec(page.text)?.[1];
      const prompt = /name="prompt" value="([^"]+)"/.exec(page.text)?.[1];
      if (action === undefined || prompt === undefined || step > 3)
        throw new Error(`No form: ${page.status} ${page.text.slice(0, 500)}`);
      page = await this.visit(new URL(action, page.url).href, {
        form: { prompt, ...(prompt === 'login' && { login, password: 'any' }) },
        stopAt,
      });
    }
    return page.location;
  }

  private async once(url: string, form?: Record<string, string>): Promise<Page> {
    const { origin } = new URL(url);
    const cookie = this.cookies(origin);
    const response = await fetch(url.replace(origin, this.hosts[origin] ?? origin), {
      method: form ? 'POST' : 'GET',
      redirect: 'manual',
      ...(form && { body: new URLSearchParams(form) }),
      headers: cookie === '' ? {} : { cookie },
    });
    for (const line of response.headers.getSetCookie()) this.keep(origin, line);
    const location = response.headers.get('location');
    return {
      url,
      status: response.status,
      headers: response.headers,
      text: await response.text(),
      location: location === null ? null : new URL(location, url).href,
    };
  }

  private keep(origin: string, line: string): void {
    const [pair = '', ...attributes] = line.split(';');
    const [name = '', ...value] = pair.split('=');
    const jar = this.jars.get(origin) ?? new Map<string, string>();
    const isOver = attributes.some((attribute) => /^\s*expires=.*1970/i.test(attribute));
    if (isOver) jar.delete(name);
    else jar.set(name, value.join('='));
    this.jars.set(origin, jar);
  }
}
