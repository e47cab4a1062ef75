// A headless Chromium of this machine, driven by playwright-core; no browser is downloaded.
import { accessSync, constants } from 'node:fs';
import path from 'node:path';

import { chromium } from 'playwright-core';

function executable() {
  const { CHROMIUM } = process.env;
  if (CHROMIUM) return CHROMIUM === 'none' ? undefined : CHROMIUM;
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  for (const name of ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']) {
    for (const folder of folders) {
      const file = path.join(folder, name);
      try { accessSync(file, constants.X_OK); return file; } catch { /* not here */ }
    }
  }
  return undefined;
}

/** A browser, or undefined where this machine has none. */
export async function openChromium(workshop) {
  const executablePath = executable();
  if (!executablePath) return undefined;
  const browser = await chromium.launch({
    executablePath,
    // A container's root has no sandbox to offer; only our own pages are opened.
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
  workshop.atEnd(() => browser.close());
  return browser;
}
