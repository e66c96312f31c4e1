(() => {
  const root = document.documentElement;
  document.querySelector("button.theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  const tip = document.getElementById("tip");
  const hide = () => { tip.hidden = true; };
  const show = (mark) => {
    const box = mark.getBoundingClientRect();
    tip.textContent = mark.dataset.tip;
    tip.hidden = false;
    const left = Math.min(Math.max(box.left + box.width / 2 - tip.offsetWidth / 2, 8), innerWidth - tip.offsetWidth - 8);
    tip.style.left = `${left + scrollX}px`;
    tip.style.top = `${box.top + scrollY - tip.offsetHeight - 8}px`;
  };
  for (const event of ["pointerover", "click"]) {
    document.addEventListener(event, (e) => {
      const mark = e.target.closest("[data-tip]");
      if (mark) show(mark); else hide();
    });
  }
  document.addEventListener("focusin", (e) => {
    const mark = e.target.closest("[data-tip]");
    if (mark) show(mark); else hide();
  });
  document.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: "previousElementSibling", ArrowRight: "nextElementSibling" }[e.key];
    if (e.key === "Escape") hide();
    if (!step || !e.target.matches(".cell")) return;
    let next = e.target[step];
    while (next && !next.matches(".cell")) next = next[step];
    if (!next) return;
    e.preventDefault();
    e.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  for (const model of document.querySelectorAll(".model")) {
    const focus = (number) => {
      model.classList.toggle("focus", number !== null);
      for (const item of model.querySelectorAll("g[data-v]")) item.classList.toggle("hot", item.dataset.v === number);
    };
    for (const link of model.querySelectorAll(".legend a")) {
      link.addEventListener("pointerenter", () => focus(link.dataset.of));
      link.addEventListener("pointerleave", () => focus(null));
    }
  }
})();
