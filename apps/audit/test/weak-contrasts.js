/* Runs in a page: texts whose contrast is below 4.5 (WCAG 2.2, 1.4.3). */
() => {
  const channels = (color) => color.match(/[\d.]+/g).map(Number);
  const luminance = (color) => channels(color).slice(0, 3).map((value) => value / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const backgroundOf = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if ((channels(color)[3] ?? 1) > 0) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const hasText = (node) => Array.from(node.childNodes).some((child) => child.nodeType === 3 && child.textContent.trim() !== '');
  return Array.from(document.querySelectorAll('main *')).filter((node) => hasText(node) && node.offsetParent).flatMap((node) => {
    const [light, dark] = [luminance(getComputedStyle(node).color), luminance(backgroundOf(node))].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    return ratio < 4.5 ? [`${node.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`] : [];
  });
}
