import{q as t,y as e}from"./c-TLV2XKYP.js";import"./c-DE5XHAAX.js";function a(){return e("div",{class:"page-head",children:e("h1",{children:t("common.page.health")})})}export{a as Health};
