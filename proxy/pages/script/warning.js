// Tells people before their session ends, on pages that include
//   <script src="/sso/warning.js" defer data-before="60"></script>
// data-before is how many seconds before. To ask how long the session lasts does
// not make it last longer; only the button does. Pages work the same without it.
(() => {
  'use strict';
  if (self.foregateWarning) return; // included twice
  self.foregateWarning = true;
  // A frame leaves it to the page around it.
  const above = () => { try { return parent !== self && parent.foregateWarning; } catch { return false; } };
  const words = WORDS; // in the language of the reader
  const script = document.currentScript;
  const session = new URL('session', script.src);
  const before = Math.max(10, Number(script.dataset.before) || 60);
  const most = 60; // seconds between two looks: another tab may have signed out

  const host = document.createElement('foregate-warning');
  const shadow = host.attachShadow({ mode: 'open' });
  const sheet = new CSSStyleSheet(); // allowed by every Content-Security-Policy, unlike <style>
  sheet.replaceSync(`
    dialog { font: 1rem/1.5 system-ui, sans-serif; color: #17212a; background: #fff; border: 0; border-top: 4px solid #15616d;
      border-radius: 10px; padding: 1.5rem; width: min(24rem, calc(100vw - 2rem)); box-sizing: border-box }
    dialog::backdrop { background: #0f1c2699 }
    h2 { font-size: 1.25rem; margin: 0 0 .75rem } p { margin: 0 0 1rem }
    button, a { display: block; box-sizing: border-box; width: 100%; min-height: 3rem; padding: .6875rem 1rem; font: inherit; font-weight: 600;
      text-align: center; text-decoration: none; color: #fff; background: #15616d; border: 2px solid #15616d; border-radius: 8px; cursor: pointer }
    button + a, a + button { margin-top: .75rem; color: #15616d; background: transparent }
    :focus-visible { outline: 3px solid #17212a; outline-offset: 2px }
    .finish { position: fixed; inset-block-end: 1rem; inset-inline-end: 1rem } .finish a { padding-inline: 1.5rem; box-shadow: 0 1px 6px #0f1c2666 }
    [hidden] { display: none }
    @media (prefers-color-scheme: dark) {
      dialog { color: #e9eef2; background: #1c242b; border-top-color: #7fd1de }
      button + a, a + button { color: #7fd1de; border-color: #7fd1de }
      :focus-visible { outline-color: #e9eef2 }
    }`);
  shadow.adoptedStyleSheets = [sheet];
  const add = (parent, name, text, props = {}) => parent.appendChild(Object.assign(document.createElement(name), { textContent: text }, props));
  const dialog = add(shadow, 'dialog', '', { role: 'alertdialog', lang: words.lang, dir: words.dir });
  const title = add(dialog, 'h2', '', { id: 'title' });
  const says = add(dialog, 'p', '', { id: 'words' });
  const stay = add(dialog, 'button', words.stay, { type: 'button' });
  const leave = add(dialog, 'a', words.leave, { href: new URL('sign-out', script.src) });
  const again = add(dialog, 'a', words.again, { target: '_blank', rel: 'noopener' });
  const close = add(dialog, 'button', words.close, { type: 'button' });
  const finish = add(shadow, 'nav', '', { ariaLabel: words.shared, className: 'finish', hidden: true, lang: words.lang, dir: words.dir });
  add(finish, 'a', words.finish, { href: new URL('sign-out', script.src) });
  dialog.setAttribute('aria-labelledby', 'title');
  dialog.setAttribute('aria-describedby', 'words');

  const counts = new Intl.PluralRules(words.lang);
  let timer, ends, seen;
  const later = (seconds) => { clearTimeout(timer); timer = setTimeout(look, Math.min(most, Math.max(1, seconds)) * 1000); };
  const open = (over) => {
    stay.hidden = leave.hidden = over;
    again.hidden = close.hidden = !over;
    if (!host.isConnected) document.body.append(host);
    if (!dialog.open) dialog.showModal();
    (over ? again : stay).focus();
  };

  async function look(method = 'GET') {
    if (above()) return later(most);
    let answer;
    try {
      answer = await fetch(session, { method, cache: 'no-store', credentials: 'same-origin', headers: { Accept: 'application/json' } });
    } catch { return later(10); } // no network: nothing is known
    if (answer.status === 401) return ended(await answer.json().catch(() => ({})));
    if (!answer.ok) return later(10);
    seen = false;
    const { seconds_left: left, shared } = await answer.json();
    finish.hidden = !shared;
    if (shared && !host.isConnected) document.body.append(host);
    ends = Date.now() + left * 1000;
    if (left > before) {
      if (dialog.open) dialog.close();
      return later(left - before);
    }
    warn();
  }

  function warn() {
    const left = Math.max(0, Math.round((ends - Date.now()) / 1000));
    title.textContent = words.there;
    says.textContent = (words.left[counts.select(left)] ?? words.left.other).replace('{{.count}}', left);
    if (!dialog.open || stay.hidden) open(false);
    clearTimeout(timer);
    // Each ten seconds, and each of the last five, so that a screen reader is not drowned.
    const next = left > 10 ? (left % 10 || 10) : left > 5 ? left - 5 : 1;
    timer = setTimeout(left > 0 && left % 10 ? warn : look, next * 1000);
  }

  function ended(answer) {
    finish.hidden = true;
    if (seen) return later(most); // said once; what is on the page stays
    seen = true;
    title.textContent = words.over;
    says.textContent = words.kept;
    again.href = answer.sign_in || new URL('sign-in', script.src);
    open(true);
  }

  dialog.addEventListener('cancel', (event) => { event.preventDefault(); (stay.hidden ? close : stay).click(); }); // Escape
  stay.addEventListener('click', () => look('POST'));
  for (const b of [close, again]) b.addEventListener('click', () => { dialog.close(); later(most); });
  look();
})();
