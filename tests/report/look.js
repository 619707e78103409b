// What is wrong with how the page looks, as a list of lines; empty when nothing is. Evaluated in the page.
(() => {
    const complaints = [];
    const complain = (what, where) => complaints.push(`${what}: ${String(where).trim().slice(0, 60)}`);
    const isShown = element => element.getClientRects().length > 0 && getComputedStyle(element).visibility === "visible";
    const isInside = (inner, outer, slack) => inner.left >= outer.left - slack && inner.right <= outer.right + slack
        && inner.top >= outer.top - slack && inner.bottom <= outer.bottom + slack;

    function textNodes() {
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const found = [];
        while (walker.nextNode())
            if (walker.currentNode.data.trim() && isShown(walker.currentNode.parentElement)) found.push(walker.currentNode);
        return found;
    }

    function boxOf(node) {
        const range = document.createRange();
        range.selectNodeContents(node);
        return range.getBoundingClientRect();
    }

    function blockAround(element) {
        while (getComputedStyle(element).display === "inline") element = element.parentElement;
        return element;
    }

    // WCAG 2.1, relative luminance and contrast ratio.
    function luminance(colour) {
        const [r, g, b] = colour.match(/[\d.]+/g).slice(0, 3).map(Number).map(value => value / 255)
            .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    }

    function backgroundOf(element) {
        for (; element; element = element.parentElement) {
            const colour = getComputedStyle(element).backgroundColor;
            if (!/^rgba\(.*, 0\)$/.test(colour)) return colour;
        }
        return "rgb(255, 255, 255)";
    }

    function contrast(one, other) {
        const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
        return (light + 0.05) / (dark + 0.05);
    }

    function lookAtPage() {
        const page = document.scrollingElement;
        // A phone zooms out until all is seen, so innerWidth would grow with what is too wide.
        const { clientWidth } = document.documentElement;
        if (page.scrollWidth > clientWidth) complain(`the page is ${page.scrollWidth} wide, the screen`, clientWidth);
        if (!document.documentElement.lang || !document.title) complain("no language or title", "html");
        const ids = [...document.querySelectorAll("[id]")].map(element => element.id);
        if (new Set(ids).size < ids.length) complain("an id stands twice", ids.find((id, at) => ids.indexOf(id) < at));
        for (const table of document.querySelectorAll("table"))
            if ([...table.querySelectorAll("th")].some(head => !head.scope)) complain("a heading without scope", table.innerText);
        for (const element of document.querySelectorAll("h1, h2, h3, p, th, td, dt, dd, li, figcaption, text, title"))
            if (!element.textContent.trim()) complain("nothing is in a", element.tagName);
    }

    function lookAtText(node) {
        const element = node.parentElement;
        if (/\b(NaN|nan|None|inf|Infinity|undefined|null)\b/.test(node.data)) complain("no text for people", node.data);
        const style = getComputedStyle(element);
        const is = contrast(element.closest("svg") ? style.fill : style.color, backgroundOf(element));
        if (is < 4.5) complain(`contrast of ${is.toFixed(2)}`, node.data);
        if (element.closest("svg")) return;
        const block = blockAround(element);
        if (!isInside(boxOf(node), block.getBoundingClientRect(), 1.5) || block.scrollWidth > block.clientWidth + 1)
            complain("text is wider than its box", node.data);
    }

    function lookAtPicture(svg) {
        const box = svg.getBoundingClientRect();
        if (box.width < 200 || box.height < 40) complain("a picture without room", svg.getAttribute("aria-label"));
        if (!/\d/.test(svg.getAttribute("aria-label"))) complain("a picture's label has no number", svg.outerHTML);
        const paths = [...svg.querySelectorAll("path")].filter(path => !path.closest("defs"));
        const drawn = paths.filter(path => { const { width, height } = path.getBBox(); return width > 0 || height > 0; });
        if (drawn.length < 3) complain("an empty picture", svg.getAttribute("aria-label"));
        for (const path of drawn)
            if (!path.closest("[clip-path]") && !isInside(path.getBoundingClientRect(), box, 2))
                complain("drawn over the edge", path.parentElement.id);
        const texts = [...svg.querySelectorAll("text")];
        const boxes = texts.map(text => text.getBoundingClientRect());
        texts.forEach((text, at) => {
            if (!isInside(boxes[at], box, 0.5)) complain("text over the edge of a picture", text.textContent);
            if (parseFloat(getComputedStyle(text).fontSize) * box.width / svg.viewBox.baseVal.width < 10)
                complain("text too small to read", text.textContent);
            for (let other = 0; other < at; ++other)
                if (boxes[at].left < boxes[other].right - 1 && boxes[other].left < boxes[at].right - 1
                    && boxes[at].top < boxes[other].bottom - 4 && boxes[other].top < boxes[at].bottom - 4)
                    complain(`text over "${texts[other].textContent}"`, text.textContent);
        });
        for (const user of svg.querySelectorAll("[clip-path], use")) {
            const name = (user.getAttribute("clip-path") || user.getAttribute("href")).replace(/^url\(|\)$/g, "").slice(1);
            if (!svg.querySelector("#" + CSS.escape(name))) complain("a picture uses what it does not have", name);
        }
    }

    lookAtPage();
    textNodes().forEach(lookAtText);
    const pictures = [...document.querySelectorAll("svg")].filter(isShown);
    pictures.forEach(lookAtPicture);
    return { complaints, pictures: pictures.length, background: backgroundOf(document.body) };
})()
